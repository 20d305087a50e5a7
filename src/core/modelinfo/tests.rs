use super::*;

#[test]
fn what_is_written_is_read_back() {
    let info = ModelInfo {
        role: Some(Role::Classifier),
        title: Some("Meso4".into()),
        training: Training::Trained,
        threshold: Some(0.3),
        channel_order: Some(ChannelOrder::Rgb),
        outputs: Some(ClassifierOutput::Probabilities),
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

#[test]
fn every_key_of_ours_is_read_back() {
    let point = |name: &str, threshold| MeasuredPoint {
        name: name.into(),
        threshold,
        fpr: Rate { value: 0.01, low: 0.002, high: 0.03 },
        tpr: Rate { value: 0.8, low: 0.7, high: 0.9 },
    };
    let population = Population {
        name: "cameras at the gate".into(),
        real: 120,
        fake: 130,
        date: "2026-11-26".into(),
        list_sha256: "ab".into(),
    };
    let mut info = ModelInfo {
        role: Some(Role::Classifier),
        terms: Some("the data's own terms".into()),
        outputs: Some(ClassifierOutput::Logit),
        fake_index: Some(FakeIndex::One),
        input_layout: Some(InputLayout::Ntchw),
        template: Some(Template::GEND),
        align: Some(Align::Frame),
        crop_scale: Some(2.5),
        fps: Some(FrameRates { lowest: 23.0, highest: 31.0 }),
        family: Some(DetectorFamily::YuNet),
        anchors: Some(AnchorSides(vec![vec![10.0, 20.0], vec![32.0], vec![128.0, 256.5]])),
        sufficiency: SufficiencyKeys {
            eye_distance_px: Some(40.0),
            sharpness: Some(0.25),
            brightness: Some((0.1, 0.9)),
            contrast: Some(0.05),
            pose_deg: Some(45.0),
            outside: Some(0.1),
            clips: Some(3),
            seconds: Some(1.5),
            spread: Some(0.5),
        },
        calibration: Some(Calibration {
            map: LlrMap::Platt { slope: 0.75, intercept: -0.5 },
            population: population.clone(),
        }),
        points: vec![point("fpr-1e-2", 0.75), point("eer", 0.5)],
        ..ModelInfo::default()
    };
    let again = |info: &ModelInfo| info.to_sidecar().unwrap().parse::<ModelInfo>().unwrap();
    assert_eq!(again(&info), info);
    let map = LlrMap::Isotonic(vec![(-2.5, -1.0), (0.0, -1.0), (1.0, 3.0)]);
    info.calibration = Some(Calibration { map, population });
    info.template = Some(Template(Template::M2SD.0.map(|[x, y]| [x + 0.01, y])));
    assert_eq!(again(&info), info);
}

#[test]
fn the_mean_and_deviation_of_a_tensor_are_what_its_ranges_say() {
    let text = "[clip]\ndir=input\nmean=0.485,0.456,0.406\nstd=0.229,0.224,0.225";
    let info: ModelInfo = text.parse().unwrap();
    let ranges = info.normalization.unwrap().ranges().map(|(min, max)| [min, max]).concat();
    let imagenet = Normalization::IMAGENET_RGB.ranges().map(|(min, max)| [min, max]).concat();
    assert!(ranges.iter().zip(&imagenet).all(|(a, b)| (a - b).abs() < 1e-5), "{ranges:?}");
}

#[test]
fn wrong_values_of_keys_say_what_was_expected() {
    for (text, part) in [
        ("[modelinfo]\nfake-index=2", "fake-index=2: expected 0, 1"),
        ("[modelinfo]\noutputs=two", "expected logit, logits, probability, probabilities"),
        ("[modelinfo]\ninput-layout=NHWC", "expected NCTHW, NTCHW, NCHW"),
        ("[modelinfo]\ntemplate=1,2", "five points"),
        ("[modelinfo]\ntemplate=0,0;0,0;0,0;0,0;0,0", "no two in one place"),
        ("[modelinfo]\nalign=face", "expected clip, frame"),
        ("[modelinfo]\ncrop-scale=0.5", "from 1 to 8"),
        ("[modelinfo]\nfps=31,23", "lowest,highest"),
        ("[modelinfo]\nfamily=mtcnn", "expected retinaface, yunet, scrfd"),
        ("[modelinfo]\nanchors=16,x", "such as 16,32;64,128;256,512"),
        ("[a]\nmean=0,0,0", "[a] has no std"),
        ("[a]\nmean=0,0,0\nstd=1,0,1", "above 0"),
        ("[sufficiency]\nsharpness=2", "from 0 to 1"),
        ("[sufficiency]\nbrightness=0.9,0.1", "low,high"),
        ("[calibration]\nmethod=magic\nreal=1\nfake=1", "platt or isotonic"),
        ("[calibration]\nmethod=platt\nslope=1\nreal=1\nfake=1", "[calibration] has no intercept"),
        ("[calibration]\nmethod=isotonic\nknots=1,1;0,0\nreal=1\nfake=1", "rising order"),
        ("[sufficiency]\neyedistance=5", "[sufficiency] eyedistance: no such key; expected eye"),
        ("[calibration]\nslop=1", "no such key; expected method"),
        ("[operating-point x]\ntreshold=1", "no such key; expected threshold"),
        ("[modelinfo]\nfake_index=1", "fake_index: no such key; expected fake-index"),
        ("[modelinfo]\nChannel-Order=bgr", "expected channel-order"),
        ("[operating-point x]\nfpr=0,0,1\ntpr=1,0,1", "has no threshold"),
        ("[operating-point x]\nthreshold=1\nfpr=0.5,0.6,1\ntpr=1,0,1", "value,low,high"),
    ] {
        let error = text.parse::<ModelInfo>().unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn the_text_is_read_as_it_stands() {
    let lines = [
        "\u{feff}; by hand",
        "[modelinfo]",
        "  # role=aligner",
        "title=C:\\nets\\",
        "licence = \"MIT\" # or 'Apache'; your choice",
        "terms:unknown=1",
        "threshold=0.25",
        "",
        " [clip:0=x;#] ",
        "dir=input",
        "[modelinfo]",
        "role=classifier",
        "threshold=0.5",
        "terms=",
    ];
    for between in ["\n", "\r\n", "\n\n"] {
        let text = lines.join(between);
        let info: ModelInfo = text.parse().unwrap();
        assert_eq!(info.title.as_deref(), Some("C:\\nets\\"), "{text}");
        assert_eq!(info.licence.as_deref(), Some("\"MIT\" # or 'Apache'; your choice"), "{text}");
        assert_eq!((info.role, info.threshold), (Some(Role::Classifier), Some(0.5)), "{text}");
        assert_eq!((info.terms.as_deref(), info.input()), (Some(""), Some("clip:0=x;#")), "{text}");
        // And written as it was read.
        let written = info.to_sidecar().unwrap();
        let again: ModelInfo = written.parse().unwrap();
        assert_eq!((again.to_sidecar().unwrap(), again), (written, info));
    }
}

#[test]
fn a_line_that_would_be_ignored_is_named_with_its_number() {
    for (text, part) in [
        (
            "[modelinfo]\n\n words \n",
            "line 3 is neither a [section], a key=value nor a comment: \"words\"",
        ),
        // A later line does not make up for it.
        ("[modelinfo]\r\ntitle\r\ntitle=x", "line 2 is neither"),
        ("[modelinfo] role=detector", "line 1 is neither"),
        ("[modelinfo]\n[clip] # input\ndir=input", "line 2 is neither"),
        ("[modelinfo]\n[clip\ndir=input", "line 2: Found opening bracket"),
        ("[modelinfo]\n=x", "line 2:0: Key cannot be empty; expected a [section], key=value"),
    ] {
        let error = text.parse::<ModelInfo>().unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    let control = "[modelinfo]\n\n#words\ntitle=\ntitle=x\n[modelinfo]\nrole=detector\n[clip]\n;=x";
    let info: ModelInfo = control.parse().unwrap();
    assert_eq!((info.title.as_deref(), info.role), (Some("x"), Some(Role::Detector)));
}
