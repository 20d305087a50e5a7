"""An ONNX file on KServe's Python server: kserve_server.py NAME FILE HTTP_PORT GRPC_PORT."""

import os
import sys

sys.path.insert(0, os.environ["M2SD_SERVERS"])

import numpy
import onnxruntime
from kserve import InferOutput, InferResponse, Model, ModelServer

TYPES = {"tensor(float)": "FP32", "tensor(uint8)": "UINT8"}


def ports(found):
    def size(dim):
        return dim if isinstance(dim, int) else -1

    return [
        {"name": port.name, "datatype": TYPES[port.type], "shape": [size(d) for d in port.shape]}
        for port in found
    ]


class Network(Model):
    def __init__(self, name, path):
        super().__init__(name)
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.ready = True

    async def get_input_types(self):
        return ports(self.session.get_inputs())

    async def get_output_types(self):
        return ports(self.session.get_outputs())

    def predict(self, payload, headers=None, response_headers=None):
        names = [port.name for port in self.session.get_outputs()]
        found = self.session.run(names, {i.name: i.as_numpy() for i in payload.inputs})
        outputs = []
        for name, values in zip(names, found):
            output = InferOutput(name, list(values.shape), "FP32")
            output.set_data_from_numpy(numpy.ascontiguousarray(values), binary_data=True)
            outputs.append(output)
        return InferResponse(payload.id, self.name, outputs)


if __name__ == "__main__":
    name, path, http, grpc = sys.argv[1:]
    server = ModelServer(http_port=int(http), grpc_port=int(grpc), enable_grpc=True, workers=1)
    server.start([Network(name, path)])
