//! Checkpoints made by hand, so that a test can get any detail of them wrong.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// One tensor and its storage, as the pickle describes them. The storage's bytes are in
/// [`Forge::storages`], whatever this says.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    pub key: String,
    pub class: &'static str,
    pub numel: i64,
    pub offset: i64,
    pub shape: Vec<i64>,
    pub stride: Vec<i64>,
}

impl Tensor {
    /// A contiguous float tensor with a storage of its own.
    pub fn float(name: &str, key: &str, shape: &[i64]) -> Self {
        let stride = (0..shape.len()).map(|i| shape[i + 1..].iter().product()).collect();
        Self {
            name: name.to_owned(),
            key: key.to_owned(),
            class: "FloatStorage",
            numel: shape.iter().product(),
            offset: 0,
            shape: shape.to_vec(),
            stride,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Forge {
    pub tensors: Vec<Tensor>,
    pub storages: Vec<(String, Vec<u8>)>,
    /// The key that the tensors are under, or several with dots between; none: they are at the top.
    pub wrapper: Option<&'static str>,
    /// Keys beside the outermost wrapper, each with a dictionary of tensors.
    pub copies: Vec<(&'static str, Vec<Tensor>)>,
    /// Opcodes that add to the outermost dictionary, where there is a wrapper.
    pub beside: Vec<u8>,
    /// Opcodes that add to the dictionary of tensors.
    pub more_entries: Vec<u8>,
    /// In place of everything that the pickle would be.
    pub raw_pickle: Option<Vec<u8>>,
}

pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

impl Forge {
    /// Two float tensors: `a` [2,3] = 0..6 and `b` [2] = 10, 11.
    pub fn sound() -> Self {
        let storages = vec![
            ("0".to_owned(), bytes(&[0., 1., 2., 3., 4., 5.])),
            ("1".to_owned(), bytes(&[10., 11.])),
        ];
        let tensors = vec![Tensor::float("a", "0", &[2, 3]), Tensor::float("b", "1", &[2])];
        Self { tensors, storages, ..Self::default() }
    }

    /// A network's worth of tensors, all zeros but for variances, which are ones.
    pub fn network(shapes: &[(&str, &[i64])]) -> Self {
        let mut forge = Self::default();
        for (i, (name, shape)) in shapes.iter().enumerate() {
            let key = i.to_string();
            let tensor = Tensor::float(name, &key, shape);
            forge.storages.push((key, bytes(&vec![0.0; tensor.numel as usize])));
            forge.tensors.push(tensor);
        }
        forge
    }

    pub fn pickle(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw_pickle {
            return raw.clone();
        }
        let mut p = Pickle::default();
        p.0.extend(b"\x80\x02");
        let mut wrappers = 0;
        if let Some(wrapper) = self.wrapper {
            p.0.extend(b"}");
            p.text("epoch");
            p.int(3);
            p.0.push(b's');
            for (key, tensors) in &self.copies {
                p.text(key);
                p.tensors(tensors);
                p.0.push(b's');
            }
            p.0.extend(&self.beside);
            for (depth, key) in wrapper.split('.').enumerate() {
                p.0.extend(if depth > 0 { &b"}"[..] } else { b"" });
                p.text(key);
                wrappers += 1;
            }
        }
        p.tensors(&self.tensors);
        p.0.extend(&self.more_entries);
        p.0.extend(vec![b's'; wrappers]);
        p.0.push(b'.');
        p.0
    }

    pub fn zip(&self) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut put = |name: String, data: &[u8]| {
            zip.start_file(name, options).unwrap();
            zip.write_all(data).unwrap();
        };
        put("archive/data.pkl".to_owned(), &self.pickle());
        put("archive/byteorder".to_owned(), b"little");
        for (key, data) in &self.storages {
            put(format!("archive/data/{key}"), data);
        }
        zip.finish().unwrap().into_inner()
    }

    pub fn legacy(&self) -> Vec<u8> {
        let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
        let mut machine = Pickle::default();
        machine.0.push(b'}');
        machine.text("little_endian");
        machine.0.extend(b"\x88s.");
        file.extend(machine.0);
        file.extend(self.pickle());
        let mut keys = Pickle::default();
        keys.0.extend(b"](");
        self.storages.iter().for_each(|(key, _)| keys.text(key));
        keys.0.extend(b"e.");
        file.extend(keys.0);
        for (_, data) in &self.storages {
            file.extend((data.len() as u64 / 4).to_le_bytes());
            file.extend(data);
        }
        file
    }
}

#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn tensors(&mut self, tensors: &[Tensor]) {
        self.0.extend(b"ccollections\nOrderedDict\n)R");
        for tensor in tensors {
            self.text(&tensor.name);
            self.tensor(tensor);
            self.0.push(b's');
        }
    }

    fn int(&mut self, value: i64) {
        self.0.extend(b"\x8a\x08");
        self.0.extend(value.to_le_bytes());
    }

    fn ints(&mut self, values: &[i64]) {
        self.0.push(b'(');
        values.iter().for_each(|v| self.int(*v));
        self.0.push(b't');
    }

    fn tensor(&mut self, tensor: &Tensor) {
        self.0.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage");
        self.0.extend(format!("ctorch\n{}\n", tensor.class).as_bytes());
        self.text(&tensor.key);
        self.text("cpu");
        self.int(tensor.numel);
        self.0.extend(b"tQ");
        self.int(tensor.offset);
        self.ints(&tensor.shape);
        self.ints(&tensor.stride);
        self.0.extend(b"\x89NtR");
    }
}
