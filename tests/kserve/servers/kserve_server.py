"""An ONNX file on KServe's Python server: kserve_server.py NAME FILE HTTP_PORT GRPC_PORT.

With M2SD_TEST_TLS=FOLDER gRPC is over TLS, with cert.pem and key.pem of the folder, and takes nobody without the
token that is in its file "token".
"""

import os
import sys

sys.path.insert(0, os.environ["M2SD_SERVERS"])

import grpc
import numpy
import onnxruntime
from grpc import aio
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


class Token(aio.ServerInterceptor):
    def __init__(self, token):
        self.expected = f"Bearer {token}"

    async def intercept_service(self, continuation, details):
        if dict(details.invocation_metadata).get("authorization") == self.expected:
            return await continuation(details)

        async def refuse(_request, context):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

        return grpc.unary_unary_rpc_method_handler(refuse)


def secured(folder):
    def read(name):
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()

    plain = aio.server
    credentials = grpc.ssl_server_credentials([(read("key.pem"), read("cert.pem"))])

    def server(*args, interceptors=(), **options):
        token = Token(read("token").decode().strip())
        made = plain(*args, interceptors=(token, *interceptors), **options)
        made.add_insecure_port = lambda address: made.add_secure_port(address, credentials)
        return made

    # KServe's server knows gRPC without TLS only.
    aio.server = server


if __name__ == "__main__":
    if "M2SD_TEST_TLS" in os.environ:
        secured(os.environ["M2SD_TEST_TLS"])
    name, path, http, port = sys.argv[1:]
    server = ModelServer(http_port=int(http), grpc_port=int(port), enable_grpc=True, workers=1)
    server.start([Network(name, path)])
