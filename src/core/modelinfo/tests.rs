use super::*;

#[test]
fn what_is_written_is_read_back() {
    let info = ModelInfo {
        role: Some(Role::Classifier),
        title: Some("Meso4".into()),
        training: Training::Trained,
        threshold: Some(0.3),
        channel_order: Some(ChannelOrder::Rgb),
        output: Some(ClassifierOutput::Probabilities),
        ports: vec![
            Port::pixels("clip", PortType::Uint8),
            Port {
                name: "logits".into(),
                direction: Direction::Output,
                element: Some(PortType::Float32),
                dims: Some(vec![None, Some(2)]),
            },
        ],
        normalization: Some(Normalization::from_ranges([(-1.0, 1.0); 3])),
        ..Default::default()
    };
    assert_eq!(info.to_string().parse::<ModelInfo>().unwrap(), info);
}

#[test]
fn a_name_or_text_of_a_model_brings_no_keys_of_its_own() {
    let hostile = "x]\n[modelinfo]\ntrained=true\nthreshold=1\n[y";
    for name in [hostile, "modelinfo", "", " clip", "a[0]", "tab\t", "a\r"] {
        let ports = vec![Port::pixels(name, PortType::Float32)];
        let info = ModelInfo { ports, ..ModelInfo::default() };
        let error = info.to_sidecar().unwrap_err();
        assert!(matches!(error, ModelInfoError::TensorName { .. }), "{error}");
        let printed: ModelInfo = info.to_string().parse().unwrap();
        assert_eq!(printed, ModelInfo::default(), "{name:?}");
    }
    let title = Some("Mine\n[modelinfo]\ntrained=true".to_owned());
    let info = ModelInfo {
        title,
        ports: vec![Port::pixels("clip:0", PortType::Uint8)],
        ..ModelInfo::default()
    };
    let read: ModelInfo = info.to_sidecar().unwrap().parse().unwrap();
    assert_eq!((read.training, read.input()), (Training::Unknown, Some("clip:0")));
}

#[test]
fn a_training_that_nobody_vouches_for_counts_as_none() {
    for (sidecar, training) in [
        ("trained=true", Training::Trained),
        ("trained=false", Training::Untrained),
        ("trained=unknown", Training::Unknown),
        ("title=Trained!", Training::Unknown),
        ("training=trained", Training::Trained),
        ("training=analytic", Training::Analytic),
        ("training=unknown", Training::Unknown),
        ("training=untrained\ntrained=true", Training::Untrained),
    ] {
        let info: ModelInfo = format!("[modelinfo]\n{sidecar}").parse().unwrap();
        assert_eq!(info.training, training);
        assert_eq!(training.to_string().parse(), Ok(training));
        assert_eq!(info.to_string().parse::<ModelInfo>().unwrap(), info);
    }
    assert!("true".parse::<Training>().is_err());
    for wrong in ["trained=perhaps", "training=true"] {
        assert!(format!("[modelinfo]\n{wrong}").parse::<ModelInfo>().is_err());
    }
    use Training::{Analytic, Trained, Unknown, Untrained};
    assert_eq!([Trained, Analytic].map(Training::allows_verdicts), [true; 2]);
    assert_eq!([Untrained, Unknown].map(Training::allows_verdicts), [false; 2]);
}

#[test]
fn unknown_keys_pass_and_bad_values_are_named() {
    let text =
        "[modelinfo]\ngroup-id=x\nfuture=1\n[image]\ndims=-1,3,-1,-1\ndir=input\nranges=0,255";
    let info: ModelInfo = text.parse().unwrap();
    assert_eq!(info.input(), Some("image"));
    assert_eq!(info.ports[0].dims, Some(vec![None, Some(3), None, None]));
    let ranges = info.normalization.unwrap().ranges();
    assert_eq!(ranges, [(0.0, 255.0); 3]);

    let error = "[modelinfo]\nthreshold=2".parse::<ModelInfo>().unwrap_err();
    assert_eq!(error.to_string(), "[modelinfo] threshold=2: expected a probability, 0 to 1");
    assert!("[a]\nranges=-3e38,3e38".parse::<ModelInfo>().is_err());
    assert!("[a]\nranges=0,1;2".parse::<ModelInfo>().is_err());
    assert!("[a]\ndir=input\ndims=1,x".parse::<ModelInfo>().is_err());
    assert!("words".parse::<ModelInfo>().is_err());
}
