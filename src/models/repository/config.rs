//! A model's configuration as Triton reads it: the text form of its message `ModelConfig`.

use std::fmt::Write as _;

use crate::core::modelinfo::PortType;

/// The first line of every configuration that this project has written, which it may replace.
pub(super) const MARK: &str = "# Written by m2sd models export-repository";

/// What runs a model on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Backend {
    /// Triton's back end `onnxruntime`: CUDA where the server has a GPU, else its CPU.
    OnnxRuntime,
    /// The same with its TensorRT provider in fp16, which builds an engine when the model is loaded first.
    TensorRt,
    /// Triton's back end `openvino`, on CPUs. Requests of several clients do not share runs.
    OpenVino,
}

/// What is in the model's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Onnx(Backend),
    /// A TensorRT engine.
    Plan,
}

impl Content {
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Onnx(_) => "model.onnx",
            Self::Plan => "model.plan",
        }
    }
}

/// One tensor with its batch axis; `None` is any size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub name: String,
    pub element: PortType,
    pub dims: Vec<Option<usize>>,
}

impl Tensor {
    fn is_batched(&self) -> bool {
        self.dims.first() == Some(&None)
    }
}

/// What a configuration tells.
pub(super) struct Config<'a> {
    pub name: &'a str,
    pub content: Content,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    pub largest_batch: u32,
    pub instances: u32,
    /// The side in px of a picture of any size, for the run that warms the model up.
    pub side: usize,
    /// Names and texts that a client reads.
    pub parameters: Vec<(&'static str, String)>,
}

impl Config<'_> {
    /// Whether the server may join requests along the first axis, as it does only where every tensor
    /// has one of any size.
    fn batches(&self) -> bool {
        let mut tensors = self.inputs.iter().chain(&self.outputs);
        let joins = self.content != Content::Onnx(Backend::OpenVino);
        joins && self.largest_batch > 1 && tensors.all(Tensor::is_batched)
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{MARK}\n\n");
        let mut line = |words: &str| {
            text.push_str(words);
            text.push('\n');
        };
        line(&format!("name: {}", quoted(self.name)));
        match self.content {
            Content::Onnx(Backend::OpenVino) => {
                line("backend: \"openvino\"");
                // It looks for a model of its own format else.
                line("default_model_filename: \"model.onnx\"");
            }
            Content::Onnx(_) => line("backend: \"onnxruntime\""),
            Content::Plan => line("backend: \"tensorrt\""),
        }
        line(&format!("max_batch_size: {}", if self.batches() { self.largest_batch } else { 0 }));
        line(&self.tensors("input", &self.inputs));
        line(&self.tensors("output", &self.outputs));
        if self.batches() {
            line("dynamic_batching { max_queue_delay_microseconds: 2000 }");
        }
        line(&self.instance_group());
        line("version_policy { latest { num_versions: 1 } }");
        if self.content == Content::Onnx(Backend::TensorRt) {
            line(&self.tensorrt());
        }
        line(&self.warm_up());
        for (key, value) in &self.parameters {
            let value = quoted(value);
            line(&format!("parameters {{ key: \"{key}\" value {{ string_value: {value} }} }}"));
        }
        text
    }

    /// A tensor's sizes as the configuration has them: without the axis that the server makes.
    fn dims(&self, tensor: &Tensor) -> Vec<Option<usize>> {
        tensor.dims.iter().skip(usize::from(self.batches())).copied().collect()
    }

    fn tensors(&self, field: &str, tensors: &[Tensor]) -> String {
        let all = tensors.iter().map(|tensor| {
            let name = quoted(&tensor.name);
            let dims: Vec<_> = self.dims(tensor).into_iter().map(size).collect();
            let (kind, dims) = (data_type(tensor.element), dims.join(", "));
            format!("{field} {{ name: {name} data_type: {kind} dims: [ {dims} ] }}")
        });
        all.collect::<Vec<_>>().join("\n")
    }

    fn instance_group(&self) -> String {
        let kind = match self.content {
            Content::Plan | Content::Onnx(Backend::TensorRt) => "KIND_GPU",
            Content::Onnx(Backend::OpenVino) => "KIND_CPU",
            Content::Onnx(Backend::OnnxRuntime) => "KIND_AUTO",
        };
        format!("instance_group {{ count: {} kind: {kind} }}", self.instances)
    }

    /// The provider's settings. Without a profile, it would build an engine for each size that comes.
    fn tensorrt(&self) -> String {
        let shapes = |batch: usize, side: usize| {
            let shape = |input: &Tensor| {
                let dims: Vec<_> =
                    self.sizes(input, batch, side).iter().map(usize::to_string).collect();
                format!("{}:{}", input.name, dims.join("x"))
            };
            self.inputs.iter().map(shape).collect::<Vec<_>>().join(",")
        };
        let most = if self.batches() { self.largest_batch as usize } else { 1 };
        let settings = [
            ("precision_mode", "FP16".to_owned()),
            // Its fp16 ends in scores that differ by tenths.
            ("trt_layer_norm_fp32_fallback", "1".to_owned()),
            ("trt_engine_cache_enable", "1".to_owned()),
            ("trt_engine_cache_path", "/tmp/m2sd-engines".to_owned()),
            ("trt_profile_min_shapes", shapes(1, 32)),
            ("trt_profile_opt_shapes", shapes(most, self.side)),
            ("trt_profile_max_shapes", shapes(most, 4 * self.side)),
        ];
        let mut text =
            "optimization { execution_accelerators { gpu_execution_accelerator {\n".to_owned();
        text.push_str("  name: \"tensorrt\"\n");
        for (key, value) in settings {
            // A String takes whatever is written.
            let _ = writeln!(text, "  parameters {{ key: \"{key}\" value: {} }}", quoted(&value));
        }
        text + "} } }"
    }

    /// One run on nothing but zeros, before the first client.
    fn warm_up(&self) -> String {
        let mut text = "model_warmup {\n  name: \"zeros\"\n".to_owned();
        let batches = self.batches();
        let _ = writeln!(text, "  batch_size: {}", if batches { 1 } else { 0 });
        for input in &self.inputs {
            let sizes = self.sizes(input, 1, self.side);
            let sizes: Vec<_> =
                sizes.iter().skip(usize::from(batches)).map(usize::to_string).collect();
            let (key, kind, dims) =
                (quoted(&input.name), data_type(input.element), sizes.join(", "));
            let _ = writeln!(
                text,
                "  inputs {{ key: {key} value {{ data_type: {kind} dims: [ {dims} ] zero_data: true }} }}"
            );
        }
        text + "}"
    }

    /// A shape that the input takes: `batch` on the first axis and `side` on every other of any size.
    fn sizes(&self, input: &Tensor, batch: usize, side: usize) -> Vec<usize> {
        let size = |(axis, dim): (usize, &Option<usize>)| {
            dim.unwrap_or(if axis == 0 { batch } else { side })
        };
        input.dims.iter().enumerate().map(size).collect()
    }
}

fn size(dim: Option<usize>) -> String {
    dim.map_or_else(|| "-1".to_owned(), |size| size.to_string())
}

fn data_type(element: PortType) -> &'static str {
    match element {
        PortType::Float32 => "TYPE_FP32",
        PortType::Uint8 => "TYPE_UINT8",
    }
}

/// A string of protobuf's text form.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                for byte in control.to_string().bytes() {
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
