//! Inputs and outputs that are bound to memory which is kept from run to run: the device's own,
//! where the provider has one, so that one run's inputs can be copied there during another run.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding as OrtBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::{DynTensor, DynTensorValueType, TensorElementType};

use super::gpu_gate;
use super::page_lock::PageLock;
use crate::infer::cancel::CancelToken;
use crate::infer::engine::{Staged, Stager};
use crate::infer::error::InferError;
use crate::infer::guard::guarded;
use crate::infer::options::Provider;
use crate::infer::outputs::Outputs;
use crate::infer::pieces::{PieceList, Pieces, copy};
use crate::infer::tensor::TensorIn;

/// Where a provider has its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemoryLocation {
    /// In the host's memory. No provider needs that bound; it is what machines without a GPU test.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    Host,
    /// On the GPU with this number.
    Cuda(i32),
    /// In the host's memory, from where the GPU copies by itself.
    PageLocked,
}

/// What allocates tensors for one thread.
struct Memory {
    device: Allocator,
    /// For the host's end of a copy; `None` where the host reaches the device's memory.
    host: Option<Allocator>,
    /// Whether the GPU copies from it.
    page_locked: bool,
}

impl Memory {
    fn new(location: MemoryLocation, session: &Session) -> ort::Result<Self> {
        let MemoryLocation::Cuda(id) = location else {
            let page_locked = location == MemoryLocation::PageLocked;
            return Ok(Self { device: Allocator::default(), host: None, page_locked });
        };
        let of = |device, kind| {
            let info = MemoryInfo::new(device, id, AllocatorType::Device, kind)?;
            Allocator::new(session, info)
        };
        let device = of(AllocationDevice::CUDA, MemoryType::Default)?;
        // The GPU copies faster from memory that stays where it is; any other will do.
        let pinned = of(AllocationDevice::CUDA_PINNED, MemoryType::CPUInput);
        Ok(Self { device, host: Some(pinned.unwrap_or_default()), page_locked: false })
    }
}

/// One input's memory.
struct Buffer {
    /// Of the tensor below, and so before it: fields are dropped in their order.
    _lock: Option<PageLock>,
    shape: Vec<usize>,
    element: TensorElementType,
    device: DynTensor,
    host: Option<DynTensor>,
}

impl Buffer {
    fn new(memory: &Memory, element: TensorElementType, shape: &[usize]) -> ort::Result<Self> {
        let tensor = |allocator| DynTensor::new(allocator, element, shape);
        let host = memory.host.as_ref().map(tensor).transpose()?;
        let mut device = tensor(&memory.device)?;
        let _lock = if memory.page_locked { lock_pages(&mut device, element, shape) } else { None };
        Ok(Self { _lock, shape: shape.to_vec(), element, device, host })
    }

    fn fits(&self, input: &Pieces<'_>) -> bool {
        self.element == element_of(input) && self.shape == input.shape()
    }

    /// Copies its numbers to a buffer of the same shape.
    fn copy_to(&self, to: &mut Self) -> ort::Result<()> {
        // Through a session of ONNX Runtime's own, which with OpenVINO in the process would run
        // there for tensors of the host.
        if self.host.is_some() || self.shape != to.shape {
            return self.device.copy_into(&mut to.device);
        }
        match self.element {
            TensorElementType::Uint8 => {
                to.device.try_extract_array_mut::<u8>()?.assign(&self.device.try_extract_array()?);
            }
            _ => {
                to.device.try_extract_array_mut::<f32>()?.assign(&self.device.try_extract_array()?);
            }
        }
        Ok(())
    }

    fn write(&mut self, input: &Pieces<'_>) -> ort::Result<()> {
        let reachable = self.host.as_mut().unwrap_or(&mut self.device);
        match input.list() {
            PieceList::One(TensorIn::F32(values)) => {
                reachable.try_extract_array_mut()?.assign(values);
            }
            PieceList::One(TensorIn::U8(values)) => {
                reachable.try_extract_array_mut()?.assign(values);
            }
            PieceList::F32(pieces) => copy(pieces, reachable.try_extract_array_mut()?),
            PieceList::U8(pieces) => copy(pieces, reachable.try_extract_array_mut()?),
        }
        match &self.host {
            Some(host) => host.copy_into(&mut self.device),
            None => Ok(()),
        }
    }
}

fn lock_pages(
    tensor: &mut DynTensor,
    element: TensorElementType,
    shape: &[usize],
) -> Option<PageLock> {
    let bytes = element.byte_size(shape.iter().product())?;
    // SAFETY: the tensor's memory stays where it is and goes with the tensor, which the buffer drops
    // after the lock.
    unsafe { PageLock::new(tensor.data_ptr_mut(), bytes) }
}

fn element_of(input: &Pieces<'_>) -> TensorElementType {
    match input.list() {
        PieceList::One(TensorIn::F32(_)) | PieceList::F32(_) => TensorElementType::Float32,
        PieceList::One(TensorIn::U8(_)) | PieceList::U8(_) => TensorElementType::Uint8,
    }
}

/// The memory of one run's inputs.
struct DeviceInputs {
    buffers: Vec<Buffer>,
    binding: OrtBinding,
}

/// A run whose every address and shape stays, which the provider records and replays.
struct Recorded {
    slot: DeviceInputs,
    /// Whether it has run, which is when it was recorded.
    ran: bool,
}

/// The names of a session's inputs and outputs, in order.
struct Names {
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Names {
    fn of(session: &Session) -> Self {
        let names = |outlets: &[ort::value::Outlet]| {
            outlets.iter().map(|outlet| outlet.name().to_owned()).collect()
        };
        Self { inputs: names(session.inputs()), outputs: names(session.outputs()) }
    }
}

/// The bound half of an engine that runs.
pub(super) struct IoBinding {
    location: MemoryLocation,
    provider: Provider,
    names: Arc<Names>,
    slots: Arc<[Mutex<DeviceInputs>; Staged::SLOTS]>,
    memory: Memory,
    recorded: Option<Recorded>,
}

impl IoBinding {
    /// `fixed`: the shapes of the inputs and outputs, where they never change and runs shall be
    /// recorded.
    pub(super) fn new(
        session: &Session,
        location: MemoryLocation,
        provider: Provider,
        fixed: Option<&FixedShapes>,
    ) -> ort::Result<Self> {
        let slot = || -> ort::Result<DeviceInputs> {
            Ok(DeviceInputs { buffers: Vec::new(), binding: session.create_binding()? })
        };
        let memory = Memory::new(location, session)?;
        let names = Arc::new(Names::of(session));
        let recorded = fixed.map(|shapes| shapes.bind(slot()?, &memory, &names)).transpose()?;
        let slots = Arc::new([Mutex::new(slot()?), Mutex::new(slot()?)]);
        Ok(Self { location, provider, names, slots, memory, recorded })
    }

    pub(super) fn stager(&self, session: &Session) -> ort::Result<Box<dyn Stager>> {
        Ok(Box::new(BindingStager {
            provider: self.provider,
            names: self.names.clone(),
            slots: self.slots.clone(),
            memory: Memory::new(self.location, session)?,
            next: 0,
        }))
    }

    /// Copies `inputs` and runs on them.
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        options: &RunOptions,
        cancel: &CancelToken,
    ) -> ort::Result<()> {
        let here = Staged { slot: 0 };
        let inputs: Vec<_> = inputs.iter().map(|input| Pieces::from(input.view())).collect();
        {
            let _turn = gpu_gate::run();
            let mut slot = lock(&self.slots, &here)?;
            fill(&mut slot, &self.memory, &self.names, &inputs)?;
        }
        self.run_staged(session, &here, outputs, options, cancel)
    }

    pub(super) fn run_staged(
        &mut self,
        session: &mut Session,
        staged: &Staged,
        outputs: &mut Outputs,
        options: &RunOptions,
        cancel: &CancelToken,
    ) -> ort::Result<()> {
        let slot = lock(&self.slots, staged)?;
        let Some(recorded) = &mut self.recorded else {
            let _turn = gpu_gate::run();
            return run(session, &slot.binding, &self.names, outputs, options);
        };
        for (from, to) in slot.buffers.iter().zip(&mut recorded.slot.buffers) {
            let _turn = gpu_gate::run();
            from.copy_to(to)?;
        }
        let ended = if recorded.ran {
            let _turn = gpu_gate::run();
            run(session, &recorded.slot.binding, &self.names, outputs, options)
        } else {
            let turn = gpu_gate::record(cancel);
            let _turn = turn.map_err(|e| ort::Error::new(e.to_string()))?;
            run(session, &recorded.slot.binding, &self.names, outputs, options)
        };
        recorded.ran |= ended.is_ok();
        ended
    }
}

/// The inputs and outputs of a network that has no other shapes: name by name, in order.
pub(super) struct FixedShapes {
    pub inputs: Vec<(TensorElementType, Vec<usize>)>,
    /// Floats all.
    pub outputs: Vec<Vec<usize>>,
}

impl FixedShapes {
    fn bind(
        &self,
        mut slot: DeviceInputs,
        memory: &Memory,
        names: &Names,
    ) -> ort::Result<Recorded> {
        for (name, (element, shape)) in names.inputs.iter().zip(&self.inputs) {
            let buffer = Buffer::new(memory, *element, shape)?;
            slot.binding.bind_input(name, &buffer.device)?;
            slot.buffers.push(buffer);
        }
        for (name, shape) in names.outputs.iter().zip(&self.outputs) {
            let tensor = DynTensor::new(&memory.device, TensorElementType::Float32, &shape[..])?;
            slot.binding.bind_output(name, tensor)?;
        }
        Ok(Recorded { slot, ran: false })
    }
}

fn lock<'a>(
    slots: &'a [Mutex<DeviceInputs>; Staged::SLOTS],
    staged: &Staged,
) -> ort::Result<MutexGuard<'a, DeviceInputs>> {
    let slot = slots.get(staged.slot).ok_or_else(|| ort::Error::new("no such place for inputs"))?;
    Ok(slot.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Copies inputs into a slot. Memory is made anew only where a shape is another than before.
fn fill(
    slot: &mut DeviceInputs,
    memory: &Memory,
    names: &Names,
    inputs: &[Pieces<'_>],
) -> ort::Result<()> {
    if inputs.len() != names.inputs.len() {
        let (found, expected) = (inputs.len(), names.inputs.len());
        return Err(ort::Error::new(format!("{found} inputs for a network of {expected}")));
    }
    let same = slot.buffers.len() == inputs.len()
        && slot.buffers.iter().zip(inputs).all(|(buffer, input)| buffer.fits(input));
    if !same {
        slot.buffers.clear();
        slot.binding.clear();
        for (name, input) in names.inputs.iter().zip(inputs) {
            let buffer = Buffer::new(memory, element_of(input), &input.shape())?;
            slot.binding.bind_input(name, &buffer.device)?;
            slot.buffers.push(buffer);
        }
        // IoBinding anew as well: ONNX Runtime keeps the outputs' memory, which has the shapes of
        // before.
        for name in &names.outputs {
            slot.binding.bind_output_to_device(name, &MemoryInfo::default())?;
        }
    }
    for ((name, input), buffer) in names.inputs.iter().zip(inputs).zip(&mut slot.buffers) {
        buffer.write(input)?;
        if memory.page_locked {
            // ONNX Runtime copies to the device when an input is bound, and never again.
            slot.binding.bind_input(name, &buffer.device)?;
        }
    }
    Ok(())
}

fn run(
    session: &mut Session,
    binding: &OrtBinding,
    names: &Names,
    outputs: &mut Outputs,
    options: &RunOptions<NoSelectedOutputs>,
) -> ort::Result<()> {
    let found = session.run_binding_with_options(binding, options)?;
    for (place, name) in names.outputs.iter().enumerate() {
        let value = found.get(name).ok_or_else(|| ort::Error::new("an output is missing"))?;
        let value = value.view().downcast::<DynTensorValueType>()?;
        if value.memory_info().is_cpu_accessible() {
            outputs.put(place, &value.try_extract_array()?);
        } else {
            outputs.put(place, &value.to(AllocationDevice::CPU, 0)?.try_extract_array()?);
        }
    }
    outputs.truncate(names.outputs.len());
    Ok(())
}

/// The half that copies.
struct BindingStager {
    provider: Provider,
    names: Arc<Names>,
    slots: Arc<[Mutex<DeviceInputs>; Staged::SLOTS]>,
    memory: Memory,
    /// The slot whose turn it is.
    next: usize,
}

impl Stager for BindingStager {
    fn stage(&mut self, inputs: &[Pieces<'_>]) -> Result<Staged, InferError> {
        let staged = Staged { slot: self.next };
        self.next = (self.next + 1) % Staged::SLOTS;
        let filled = guarded(|| {
            let mut slot = lock(&self.slots, &staged)?;
            let _turn = gpu_gate::run();
            fill(&mut slot, &self.memory, &self.names, inputs)
        });
        let provider = self.provider;
        let failed = |reason| InferError::RunFailed { provider, reason };
        filled.map_err(failed)?.map_err(|e| failed(e.to_string()))?;
        Ok(staged)
    }
}
