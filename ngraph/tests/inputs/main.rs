//! Bad input: every seed of the fuzzer and every case that it ever found, through the
//! functions that it calls (fuzz/README.md).

mod targets;

use std::{fs, path::Path};

/// Runs a target on all its kept inputs; a panic is told with the input's name.
fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz");
    let mut inputs = 0;
    for folder in ["corpus", "regressions"].map(|kind| fuzz.join(kind).join(target)) {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry of the folder").path();
            // Shown only if the test fails: the last one is what it fails on.
            println!("{}", path.display());
            run(&fs::read(path).expect("a file"));
            inputs += 1;
        }
    }
    assert!(inputs > 0, "no inputs for {target} below {}", fuzz.display());
}

#[test]
fn records_of_any_bytes_leave_a_well_formed_file() {
    replay("events", targets::events::run);
}

#[test]
fn btf_of_any_bytes_is_offsets_or_an_error() {
    replay("btf", targets::btf::run);
}

#[test]
fn proc_files_of_any_text_are_a_snapshot_or_an_error() {
    replay("proc", targets::proc::run);
}

#[test]
fn control_groups_and_pods_folders_of_any_text_are_plain_names_or_none() {
    replay("places", targets::places::run);
}

#[test]
fn tracked_connections_of_any_bytes_are_an_answer_or_an_error() {
    replay("nat", targets::nat::run);
}

#[test]
fn answers_of_any_bytes_give_a_host_name_or_none() {
    replay("dns", targets::dns::run);
}

#[test]
fn a_hosts_file_of_any_text_gives_host_names_or_none() {
    replay("hosts", targets::hosts::run);
}

#[test]
fn networks_and_durations_of_any_text_are_read_back_or_refused() {
    replay("values", targets::values::run);
}

#[test]
fn options_and_variables_of_any_text_are_a_configuration_or_wrong_usage() {
    replay("config", targets::config::run);
}

#[test]
fn labels_of_any_text_stay_in_their_quotes() {
    replay("labels", targets::labels::run);
}

#[test]
fn files_of_any_bytes_are_a_picture_or_an_error() {
    replay("graph", targets::graph::run);
}

#[test]
fn every_folder_of_inputs_is_a_targets() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz");
    let listed = |kind: &str| -> Vec<String> {
        let entries = fs::read_dir(fuzz.join(kind)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let targets = listed("fuzz_targets");
    for folder in listed("corpus").into_iter().chain(listed("regressions")) {
        assert!(targets.contains(&format!("{folder}.rs")), "{folder} in {targets:?}");
    }
}

/// A seed that is refused at the door would lead the fuzzer nowhere.
#[test]
fn the_seeds_of_the_binary_formats_are_understood() {
    use hickory_resolver::proto::op::Message;
    use ngraph::{
        kernel::offsets::Offsets,
        names::{hostname, resolver::ptr_names},
        nat::message::{self, Answer},
    };
    use ngraph_common::names::ABSENT;
    let seed = |path: &str| {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz").join("corpus");
        fs::read(corpus.join(path)).unwrap()
    };
    let offsets = Offsets::from_btf(&seed("btf/small_kernel.bin")).unwrap();
    let expected = Offsets {
        net_inum: 136,
        sk_protocol: 532,
        sk_err: 284,
        inet_sport: 814,
        cb_flags: ABSENT,
        socket_sk: ABSENT,
    };
    assert_eq!(offsets, expected);
    let (number, tracked) = message::answer(&seed("nat/entry.bin")).unwrap();
    assert!(number > 0 && matches!(tracked, Answer::Answers(_)), "{tracked:?}");
    let answer = Message::from_vec(&seed("dns/two_names.bin")).unwrap();
    assert_eq!(hostname::choose(ptr_names(&answer.answers)), Some("api.example".into()));
}
