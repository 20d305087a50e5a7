//! A network on a server is the network here.

use gstm2sd::core::modelinfo::Training;
use gstm2sd::infer::{CancelToken, Provider, sha256_of};
use gstm2sd::models::sha256;

use crate::servers::Server;
use crate::{classifier, load, load_here, name, remote, score};

const SEEDS: [u8; 5] = [1, 2, 77, 130, 255];

#[test]
fn triton_and_kserve_score_as_the_same_file_does_here() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let mut here = load_here(&model);
    let expected = score(&mut here, &SEEDS).unwrap();
    let [triton, kserve] =
        [Server::triton(&[&model]), Server::kserve(name(&model), &model)].map(|server| {
            let mut there = load(&server.model(name(&model))).unwrap();
            assert_eq!(there.spec().info.provider, Provider::Kserve);
            let scores = score(&mut there, &SEEDS).unwrap();
            for (there, here) in scores.iter().zip(&expected) {
                let apart = (there.fake - here.fake).abs();
                assert!(apart <= 1e-5, "{there:?} {here:?}");
            }
            assert_eq!(scores.len(), SEEDS.len());
            (there.spec().clone(), server.model(name(&model)), server)
        });
    // What the file's sidecar says goes with it to Triton, and so does its hash.
    let (spec, address, _server) = triton;
    assert_eq!(spec.sidecar, here.spec().sidecar);
    assert_eq!(spec.sidecar.training, Training::Analytic);
    assert_eq!(spec.info.largest_batch.map(|most| most.get()), Some(8));
    assert!(spec.info.runtime.contains("triton"), "{}", spec.info.runtime);
    let hash = sha256_of(&remote(&address), &CancelToken::new());
    assert_eq!(hash, Some(sha256(&model).unwrap()));
    // KServe tells nothing: nobody vouches for it.
    let (spec, address, _server) = kserve;
    assert_eq!(spec.sidecar.training, Training::Unknown);
    assert_eq!(sha256_of(&remote(&address), &CancelToken::new()), None);
    // Unless the user does.
    let mut sidecar = model.clone().into_os_string();
    sidecar.push(".modelinfo");
    let told = load(&format!("{address}?modelinfo={}", sidecar.to_str().unwrap())).unwrap();
    assert_eq!(told.spec().sidecar.training, Training::Analytic);
}
