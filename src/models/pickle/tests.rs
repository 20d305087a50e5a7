use super::*;

fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
    Pickle::read(bytes, 0)
}

fn message(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn plain_data_is_read() {
    // {"a": (1, True), "b": [2.5]} as Python's protocol 2 writes it.
    let bytes = b"\x80\x02}q\0(X\x01\0\0\0aK\x01\x88\x86X\x01\0\0\0b]q\x01G\x40\x04\0\0\0\0\0\0au.";
    let pickle = read(bytes).unwrap();
    let b = pickle.get(pickle.root(), "b").unwrap();
    assert_eq!(pickle.list(b), Some(&[Value::Float(2.5)][..]));
    assert!(pickle.get(pickle.root(), "c").is_none());
}

#[test]
fn a_tensor_keeps_its_view() {
    let bytes = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
        X\x01\0\0\x007X\x03\0\0\0cpuK\x06tQK\x01K\x02\x85K\x02\x85\x89NtR.";
    let pickle = read(bytes).unwrap();
    let tensor = pickle.tensor(pickle.root()).unwrap();
    let storage = StorageRef { key: "7".into(), dtype: DType::F32, numel: 6 };
    assert_eq!(*tensor, TensorRef { storage, offset: 1, shape: vec![2], stride: vec![2] });
}

#[test]
fn a_global_outside_the_list_is_a_placeholder_and_so_is_what_it_makes() {
    for bytes in [
        &b"cos\nsystem\n."[..],
        b"\x8c\x02os\x8c\x06system\x93.",
        b"cos\nsystem\n(X\x02\0\0\0lstR.",
        b"cos\nsystem\n)\x81}b.",
        b"cos\nsystem\n)}\x92K\x01K\x02s.",
        b"cos\nsystem\n)RK\x01a.",
    ] {
        let pickle = read(bytes).unwrap();
        assert_eq!(pickle.placeholder(pickle.root()), Some("os.system"), "{bytes:?}");
    }
    // Not longer than is of use, whatever the file says.
    let mut long = b"\x8c\xff".to_vec();
    long.extend([b'm'; 255]);
    long.extend(b"\x8c\x01n\x93.");
    let pickle = read(&long).unwrap();
    assert_eq!(pickle.placeholder(pickle.root()).map(str::len), Some(50));
}

#[test]
fn dictionaries_with_factories_and_namespaces_keep_what_is_in_them() {
    let bytes = b"ccollections\ndefaultdict\ncbuiltins\nlist\n\x85RX\x01\0\0\0aK\x01s.";
    let pickle = read(bytes).unwrap();
    assert_eq!(pickle.get(pickle.root(), "a"), Some(Value::Int(1)));
    let bytes = b"cargparse\nNamespace\n)\x81}X\x01\0\0\0aK\x01sb.";
    let pickle = read(bytes).unwrap();
    assert_eq!(pickle.attributes(pickle.root()).map(<[_]>::len), Some(1));
    // No dictionary of tensors.
    assert_eq!(pickle.dict(pickle.root()), None);
}

#[test]
fn limits_hold() {
    assert!(message(&vec![b'('; 1000]).contains("64 nested containers"));
    let mut nested = vec![b')'];
    nested.extend([0x85; 1000]);
    assert!(message(&nested).contains("64 nested containers"));
    assert!(message(b"X\xff\xff\xff\xff").contains("bytes in one string"));
    assert!(message(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f").contains("bytes in one string"));
    assert!(message(&vec![b'N'; limits::WORK + 1]).contains("steps"));
    // A list that holds itself is deeper each time it is appended to itself.
    let mut selfish = b"]q\0".to_vec();
    selfish.extend(b"h\0a".repeat(100));
    assert!(message(&selfish).contains("nested"));
}

#[test]
fn every_truncation_is_an_error() {
    let whole = b"\x80\x02}q\0(X\x01\0\0\0aK\x01\x88\x86X\x01\0\0\0b]q\x01G\x40\x04\0\0\0\0\0\0au.";
    for len in 0..whole.len() {
        assert!(read(&whole[..len]).is_err(), "{len} bytes were enough");
    }
}

#[test]
fn misuse_of_the_stack_is_an_error() {
    for bytes in [&b"."[..], b"t.", b"s.", b"(0.", b"h\x07.", b"K\x01b.", b"NNR.", b"}Q.", b"\xff"]
    {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
}
