"""The ONNX file beside this one, for Triton's Python back end."""

import json
import os
import sys

sys.path.insert(0, os.environ["M2SD_SERVERS"])

import numpy
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [port["name"] for port in config["input"]]
        self.outputs = [port["name"] for port in config["output"]]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        def tensor(name):
            return triton.get_input_tensor_by_name(request, name).as_numpy()

        found = self.session.run(self.outputs, {name: tensor(name) for name in self.inputs})
        named = zip(self.outputs, found)
        return triton.InferenceResponse(
            output_tensors=[triton.Tensor(n, numpy.ascontiguousarray(v)) for n, v in named]
        )
