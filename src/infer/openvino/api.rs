//! OpenVINO's C interface: the only place that calls it, and every `unsafe` of this back end.
//!
//! `openvino-sys` is called directly. The crate `openvino` on top of it compiles with no cache,
//! copies every input, cannot cancel a run from another thread, and frees no string or port.
//!
//! What holds for every block: pointers that go in are alive and of the type that made them, those
//! that come out are looked at only after OK, and each is freed once, by who owns it here. A
//! function that the library lacks is a panic of `openvino-sys`, not undefined behaviour; loads are
//! guarded against it.

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use openvino_sys as sys;
use sys::{ov_element_type_e as OvElement, ov_status_e as Status};

use crate::infer::info::{ElementType, TensorInfo};
use crate::infer::tensor::{Tensor, TensorIn};

/// The most dimensions of an input or output.
const MOST_DIMS: usize = 8;

/// What OpenVINO answered instead of OK.
#[derive(Debug)]
pub(super) enum ApiError {
    Cancelled,
    Failed(String),
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

type Result<T> = std::result::Result<T, ApiError>;

fn check(status: Status) -> Result<()> {
    match status {
        Status::OK => Ok(()),
        Status::INFER_CANCELLED => Err(ApiError::Cancelled),
        status => {
            // SAFETY: the message is this thread's own, and stays until its next call.
            let text = unsafe {
                let text = sys::ov_get_last_err_msg();
                if text.is_null() { "".into() } else { CStr::from_ptr(text).to_string_lossy() }
            };
            Err(ApiError::Failed(reason(&text).unwrap_or_else(|| format!("{status:?}"))))
        }
    }
}

/// OpenVINO's words in one line, without the places in its source.
fn reason(text: &str) -> Option<String> {
    let is_place =
        |line: &str| line.starts_with("Exception from src/") || line.contains(" failed at src/");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_place(line));
    let said = lines.collect::<Vec<_>>().join(" ");
    (!said.is_empty()).then_some(said)
}

fn failed(reason: &str) -> ApiError {
    ApiError::Failed(reason.to_owned())
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| failed("a name has a zero byte"))
}

/// Takes a string of OpenVINO's and frees it.
///
/// # Safety
/// It is null, or one that belongs to the caller.
unsafe fn take_string(text: *mut c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise; what is freed is not looked at again.
    unsafe {
        let taken = CStr::from_ptr(text).to_string_lossy().into_owned();
        sys::ov_free(text);
        taken
    }
}

/// The library with its devices' plug-ins, and settings of its own.
pub(super) struct Core(*mut sys::ov_core_t);

// SAFETY: OpenVINO's objects belong to no thread, and a `Core` is used by one at a time.
unsafe impl Send for Core {}

impl Core {
    pub fn new() -> Result<Self> {
        let mut core = ptr::null_mut();
        // SAFETY: see the head of the file.
        check(unsafe { sys::ov_core_create(&mut core) })?;
        Ok(Self(core))
    }

    /// Such as `CPU`, `GPU.0`, `GPU.1`.
    pub fn devices(&self) -> Result<Vec<String>> {
        let mut found = sys::ov_available_devices_t { devices: ptr::null_mut(), size: 0 };
        // SAFETY: see the head of the file; the array has `size` C strings.
        unsafe {
            check(sys::ov_core_get_available_devices(self.0, &mut found))?;
            let names = (0..found.size)
                .map(|i| CStr::from_ptr(*found.devices.add(i)).to_string_lossy().into_owned());
            let names = names.collect();
            sys::ov_available_devices_free(&mut found);
            Ok(names)
        }
    }

    pub fn set(&self, device: &str, key: &CStr, value: &str) -> Result<()> {
        let (device, value) = (c_string(device.as_bytes())?, c_string(value.as_bytes())?);
        // SAFETY: see the head of the file.
        check(unsafe {
            sys::ov_core_set_property(self.0, device.as_ptr(), key.as_ptr(), value.as_ptr())
        })
    }

    pub fn get(&self, device: &str, key: &CStr) -> Result<String> {
        let device = c_string(device.as_bytes())?;
        let mut value = ptr::null_mut();
        // SAFETY: see the head of the file; the value is the caller's.
        unsafe {
            let (device, key) = (device.as_ptr(), key.as_ptr());
            check(sys::ov_core_get_property(self.0, device, key, &mut value))?;
            Ok(take_string(value))
        }
    }

    pub fn compile(&self, model: &Path, device: &str) -> Result<CompiledModel> {
        let (model, device) =
            (c_string(model.as_os_str().as_bytes())?, c_string(device.as_bytes())?);
        let mut compiled = ptr::null_mut();
        // SAFETY: see the head of the file; no further properties follow.
        check(unsafe {
            let (model, device) = (model.as_ptr(), device.as_ptr());
            sys::ov_core_compile_model_from_file(self.0, model, device, 0, &mut compiled)
        })?;
        Ok(CompiledModel(compiled))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // SAFETY: it is freed once.
        unsafe { sys::ov_core_free(self.0) }
    }
}

/// A network as a device runs it.
pub(super) struct CompiledModel(*mut sys::ov_compiled_model_t);

// SAFETY: as for `Core`.
unsafe impl Send for CompiledModel {}

impl CompiledModel {
    pub fn get(&self, key: &CStr) -> Result<String> {
        let mut value = ptr::null_mut();
        // SAFETY: see the head of the file; the value is the caller's.
        unsafe {
            check(sys::ov_compiled_model_get_property(self.0, key.as_ptr(), &mut value))?;
            Ok(take_string(value))
        }
    }

    pub fn inputs(&self) -> Result<Vec<TensorInfo>> {
        let mut count = 0;
        // SAFETY: see the head of the file.
        check(unsafe { sys::ov_compiled_model_inputs_size(self.0, &mut count) })?;
        let port = |place, port: &mut _| {
            // SAFETY: see the head of the file.
            unsafe { sys::ov_compiled_model_input_by_index(self.0, place, port) }
        };
        (0..count).map(|place| tensor_info(|to| port(place, to))).collect()
    }

    pub fn outputs(&self) -> Result<Vec<TensorInfo>> {
        let mut count = 0;
        // SAFETY: see the head of the file.
        check(unsafe { sys::ov_compiled_model_outputs_size(self.0, &mut count) })?;
        let port = |place, port: &mut _| {
            // SAFETY: see the head of the file.
            unsafe { sys::ov_compiled_model_output_by_index(self.0, place, port) }
        };
        (0..count).map(|place| tensor_info(|to| port(place, to))).collect()
    }

    pub fn request(&self) -> Result<InferRequest> {
        let mut request = ptr::null_mut();
        // SAFETY: see the head of the file.
        check(unsafe { sys::ov_compiled_model_create_infer_request(self.0, &mut request) })?;
        Ok(InferRequest(Arc::new(Running(request))))
    }
}

impl Drop for CompiledModel {
    fn drop(&mut self) {
        // SAFETY: it is freed once.
        unsafe { sys::ov_compiled_model_free(self.0) }
    }
}

/// What a port says of its tensor; `port` asks for it.
fn tensor_info(
    port: impl FnOnce(&mut *mut sys::ov_output_const_port_t) -> Status,
) -> Result<TensorInfo> {
    let mut place = ptr::null_mut();
    check(port(&mut place))?;
    // SAFETY: see the head of the file; the port, its name and its shape are this function's.
    unsafe {
        let info = port_info(place);
        sys::ov_output_const_port_free(place);
        info
    }
}

/// # Safety
/// The port is alive.
unsafe fn port_info(port: *const sys::ov_output_const_port_t) -> Result<TensorInfo> {
    let (mut name, mut element) = (ptr::null_mut(), OvElement::DYNAMIC);
    // SAFETY: the caller's promise, and see the head of the file; a shape of static rank has as
    // many dimensions.
    unsafe {
        check(sys::ov_port_get_any_name(port, &mut name))?;
        let name = take_string(name);
        check(sys::ov_port_get_element_type(port, &mut element))?;
        let mut shape = std::mem::zeroed::<sys::ov_partial_shape_t>();
        check(sys::ov_port_get_partial_shape(port, &mut shape))?;
        let rank = match usize::try_from(shape.rank.max) {
            Ok(rank) if shape.rank.min == shape.rank.max && !shape.dims.is_null() => rank,
            _ => 0,
        };
        let dims = (0..rank).map(|axis| {
            let dim = *shape.dims.add(axis);
            usize::try_from(dim.max).ok().filter(|_| dim.min == dim.max)
        });
        let dims = dims.collect();
        sys::ov_partial_shape_free(&mut shape);
        let element = match element {
            OvElement::F32 => ElementType::F32,
            OvElement::U8 => ElementType::U8,
            other => ElementType::Other(format!("{other:?}").to_lowercase()),
        };
        Ok(TensorInfo { name, dims, element })
    }
}

/// Runs of a compiled network, one at a time.
pub(super) struct InferRequest(Arc<Running>);

/// What a run's canceller shares with it.
pub(super) struct Running(*mut sys::ov_infer_request_t);

// SAFETY: OpenVINO lets a request be cancelled from any thread; everything else goes through
// `InferRequest`, whose methods need it alone.
unsafe impl Send for Running {}
// SAFETY: as above.
unsafe impl Sync for Running {}

impl Running {
    /// Ends the run in progress as soon as the device can; nothing else feels it.
    pub fn cancel(&self) {
        // SAFETY: see the head of the file. Should it fail, the run goes on to its end.
        let _may_fail = unsafe { sys::ov_infer_request_cancel(self.0) };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: it is freed once.
        unsafe { sys::ov_infer_request_free(self.0) }
    }
}

impl InferRequest {
    pub fn running(&self) -> &Arc<Running> {
        &self.0
    }

    /// Runs on `inputs`, which are read where they lie, if that is row by row. `started` is called
    /// as soon as [`Running::cancel`] has an effect.
    pub fn run(&mut self, inputs: &[TensorIn<'_>], started: impl FnOnce()) -> Result<()> {
        let mut copies = Vec::new();
        for (place, input) in inputs.iter().enumerate() {
            match input {
                TensorIn::F32(values) => self.set_input(place, OvElement::F32, values, |copy| {
                    copies.push(Tensor::F32(copy))
                })?,
                TensorIn::U8(values) => self.set_input(place, OvElement::U8, values, |copy| {
                    copies.push(Tensor::U8(copy))
                })?,
            }
        }
        let request = self.0.0;
        // SAFETY: see the head of the file. Inputs and copies outlive the run: this function
        // returns only when that has ended, and sets others before the next one.
        unsafe {
            check(sys::ov_infer_request_start_async(request))?;
            started();
            check(sys::ov_infer_request_wait(request))
        }
    }

    /// Has the request read `values`, or a copy of them that `keep` gets.
    fn set_input<T: Clone>(
        &mut self,
        place: usize,
        element: OvElement,
        values: &ArrayViewD<'_, T>,
        keep: impl FnOnce(ArrayD<T>),
    ) -> Result<()> {
        let mut dims = [0; MOST_DIMS];
        let sizes = dims.get_mut(..values.ndim()).ok_or_else(|| failed("too many dimensions"))?;
        for (to, from) in sizes.iter_mut().zip(values.shape()) {
            *to = i64::try_from(*from).map_err(|_| failed("a size that is none"))?;
        }
        let shape = sys::ov_shape_t { rank: values.ndim() as i64, dims: dims.as_mut_ptr() };
        let data = match values.to_slice() {
            Some(rows) => rows.as_ptr(),
            None => {
                let copy = values.as_standard_layout().into_owned();
                let rows = copy.as_ptr();
                keep(copy);
                rows
            }
        };
        let mut tensor = ptr::null_mut();
        // SAFETY: see the head of the file. The shape is copied; the memory has as many numbers as
        // it says, row by row, and OpenVINO only reads inputs.
        unsafe {
            let data = data.cast_mut().cast();
            check(sys::ov_tensor_create_from_host_ptr(element, shape, data, &mut tensor))?;
            let set = sys::ov_infer_request_set_input_tensor_by_index(self.0.0, place, tensor);
            let set = check(set);
            sys::ov_tensor_free(tensor);
            set
        }
    }

    /// Shows an output of the last run to `look`.
    pub fn output(&self, place: usize, look: impl FnOnce(ArrayViewD<'_, f32>)) -> Result<()> {
        let mut tensor = ptr::null_mut();
        // SAFETY: see the head of the file; the tensor is this function's.
        unsafe {
            check(sys::ov_infer_request_get_output_tensor_by_index(self.0.0, place, &mut tensor))?;
            let seen = view(tensor, look);
            sys::ov_tensor_free(tensor);
            seen
        }
    }
}

/// # Safety
/// The tensor is alive, and nobody writes to it meanwhile.
unsafe fn view(
    tensor: *mut sys::ov_tensor_t,
    look: impl FnOnce(ArrayViewD<'_, f32>),
) -> Result<()> {
    let (mut element, mut data) = (OvElement::DYNAMIC, ptr::null_mut());
    let mut shape = sys::ov_shape_t { rank: 0, dims: ptr::null_mut() };
    // SAFETY: the caller's promise, and see the head of the file; a shape has `rank` dimensions,
    // and the data as many numbers as those say.
    unsafe {
        check(sys::ov_tensor_get_element_type(tensor, &mut element))?;
        if element != OvElement::F32 {
            return Err(ApiError::Failed(format!("an output is {element:?}, not 32-bit floats")));
        }
        let mut count = 0;
        check(sys::ov_tensor_get_size(tensor, &mut count))?;
        match sys::ov_tensor_get_shape(tensor, &mut shape) {
            // Of a single number without dimensions, which has no shape in C.
            Status::INVALID_C_PARAM if count == 1 => {}
            status => check(status)?,
        }
        let rank = if shape.dims.is_null() { 0 } else { usize::try_from(shape.rank).unwrap_or(0) };
        let mut dims = [0; MOST_DIMS];
        let mut known = rank <= MOST_DIMS;
        for (axis, to) in dims.iter_mut().enumerate().take(rank) {
            *to = usize::try_from(*shape.dims.add(axis)).unwrap_or_else(|_| {
                known = false;
                0
            });
        }
        let _always_ok = sys::ov_shape_free(&mut shape);
        let dims = dims.get(..rank).filter(|_| known).ok_or_else(|| failed("a shape is none"))?;
        check(sys::ov_tensor_data(tensor, &mut data))?;
        let numbers = match count {
            0 => &[],
            count => std::slice::from_raw_parts(data.cast::<f32>().cast_const(), count),
        };
        let array = ArrayViewD::from_shape(IxDyn(dims), numbers);
        look(array.map_err(|error| ApiError::Failed(error.to_string()))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_without_places_in_a_source() {
        let text = "Exception from src/inference/src/cpp/core.cpp:84:\nCheck 'exists(path)' failed at \
                    src/frontends/common/src/frontend.cpp:117:\nFrontEnd API failed:\nonnx: Could not \
                    open the file: \"x\"\n\n";
        let said = "FrontEnd API failed: onnx: Could not open the file: \"x\"";
        assert_eq!(reason(text).as_deref(), Some(said));
        assert_eq!(reason("Exception from src/a.cpp:1:\n"), None);
    }
}
