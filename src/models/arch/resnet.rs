//! ResNet-50 as torchvision has it, as far as its last maps.

use super::conv::{Activation, Conv};
use super::{ArchError, Tensors};
use crate::models::graph::{Edge, Graph, ints};

/// Blocks of each stage, and the width inside of them; four times that comes out.
const STAGES: [(usize, usize); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];

/// The maps at strides 8, 16 and 32, of 512, 1024 and 2048 channels; tensors are below `body`.
pub(super) fn backbone(
    g: &mut Graph,
    tensors: &mut Tensors<'_>,
    image: &Edge,
) -> Result<[Edge; 3], ArchError> {
    let stem = Conv {
        conv: "body.conv1",
        norm: "body.bn1",
        dims: [64, 3, 7, 7],
        stride: 2,
        padding: 3,
        activation: Activation::Relu,
    };
    let x = stem.add(g, tensors, image)?;
    let pool = [ints("kernel_shape", &[3; 2]), ints("strides", &[2; 2]), ints("pads", &[1; 4])];
    let mut x = g.op("MaxPool", &[&x], &pool);
    let mut maps = [x.clone(), x.clone(), x.clone()];
    let mut inputs = 64;
    for (stage, (blocks, width)) in STAGES.into_iter().enumerate() {
        for block in 0..blocks {
            let name = format!("body.layer{}.{block}", stage + 1);
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            x = bottleneck(g, tensors, &x, &name, [inputs, width], stride)?;
            inputs = 4 * width;
        }
        if let Some(map) = stage.checked_sub(1).and_then(|stage| maps.get_mut(stage)) {
            *map = x.clone();
        }
    }
    Ok(maps)
}

/// Three convolutions beside a shortcut; the first block of a stage changes it to its own width.
fn bottleneck(
    g: &mut Graph,
    tensors: &mut Tensors<'_>,
    x: &Edge,
    name: &str,
    [inputs, width]: [usize; 2],
    stride: i64,
) -> Result<Edge, ArchError> {
    let mut conv = |g: &mut Graph, x: &Edge, parts: [&str; 2], dims, stride, activation| {
        let [conv, norm] = parts.map(|part| format!("{name}.{part}"));
        let [_, _, _, kernel]: [usize; 4] = dims;
        let padding = (kernel / 2) as i64;
        Conv { conv: &conv, norm: &norm, dims, stride, padding, activation }.add(g, tensors, x)
    };
    let (relu, plain) = (Activation::Relu, Activation::None);
    let y = conv(g, x, ["conv1", "bn1"], [width, inputs, 1, 1], 1, relu)?;
    let y = conv(g, &y, ["conv2", "bn2"], [width, width, 3, 3], stride, relu)?;
    let y = conv(g, &y, ["conv3", "bn3"], [4 * width, width, 1, 1], 1, plain)?;
    let names = ["downsample.0", "downsample.1"];
    let shortcut = match name.ends_with(".0") {
        true => conv(g, x, names, [4 * width, inputs, 1, 1], stride, plain)?,
        false => x.clone(),
    };
    let sum = g.op("Add", &[&y, &shortcut], &[]);
    Ok(g.op("Relu", &[&sum], &[]))
}
