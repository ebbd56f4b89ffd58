//! What a file says, and what is wrong with it.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use ngraph::config::{Config, Source};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    PROCFS, Written, ended, start,
    support::{agent::command, is_root, limited::Place, skip},
    with,
};

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = Written::new("edge-ttl = 1\ninterval = \"20s\"\n");
    let path = file.path().display().to_string();
    for (args, environment, interval) in [
        (&[][..], &[][..], "20s"),
        (&[], &[("NGRAPH_INTERVAL", "30")], "30s"),
        (&["--interval=40"], &[("NGRAPH_INTERVAL", "30")], "40s"),
        (&["--interval=40"], &[], "40s"),
        (&["doctor"], &[], "20s"),
        (&["healthcheck"], &[("NGRAPH_INTERVAL", "")], "20s"),
    ] {
        for by_variable in [false, true] {
            let mut command = command(args);
            if by_variable {
                command.env("NGRAPH_CONFIG", &path);
            } else {
                command.args(["--config", &path]);
            }
            command.envs(environment.iter().copied());
            let expected = format!("error: --edge-ttl 1s: shorter than --interval {interval}, ");
            let (code, stderr) = ended(command);
            assert_eq!(code, Some(2));
            assert!(stderr.starts_with(&expected), "{args:?} {environment:?}: {stderr}");
            let file = format!("(make it {interval} or more); with the options of {path}\n");
            assert!(stderr.contains(&file), "{args:?} {environment:?}: {stderr}");
        }
    }
    let mut none = command(&["--edge-ttl=1"]);
    none.env("NGRAPH_CONFIG", "");
    assert!(ended(none).1.contains("--interval 15s"), "an empty variable is none");
}

#[test]
fn a_switch_that_the_file_turns_on_is_turned_off_by_its_variable() {
    let file = Written::new("once = true\nformat = 'json'\n");
    let run = |environment: &[(&str, &str)]| {
        let mut command = command(&[]);
        command.arg("--config").arg(file.path()).envs(environment.iter().copied());
        ended(command).1
    };
    assert!(run(&[]).contains("--output - (add --output -)"));
    assert!(run(&[("NGRAPH_ONCE", "0")]).contains("(add --once --output -)"));
}

#[test]
fn a_mistake_is_told_with_its_file_line_and_key_in_the_words_of_the_flags() {
    for (text, line, problem) in [
        ("\ninterval = 0", 2, "interval = 0: too short (takes 1s to 1h)"),
        ("interval = '61m'", 1, "interval = 61m: too long (takes 1s to 1h)"),
        (
            "interval = 'x\\u001b'",
            1,
            "interval = x\\\\u001b: not a duration such as 30, 30s, 5m or 1h30m (takes 1s to 1h)",
        ),
        ("interval = true", 1, "interval takes a text in quotes, or a whole number"),
        ("interval = 1.5", 1, "interval takes a text in quotes, or a whole number"),
        ("interval = 2026-11-27", 1, "interval takes a text in quotes, or a whole number"),
        ("all = 1", 1, "all takes true or false"),
        ("all = 'yes'", 1, "all takes true or false"),
        ("max-edges = 0", 1, "max-edges = 0: takes a whole number from 1 to 1000000"),
        ("max-edges = -1", 1, "max-edges = -1: takes a whole number from 1 to 1000000"),
        (
            "ring-bytes = 99999999999999999999",
            1,
            "ring-bytes = 99999999999999999999: takes a whole number from 4096 to 1073741824",
        ),
        ("capture = 'ebpf'", 1, "capture = ebpf: takes auto, kprobe, tracepoint, procfs"),
        (
            "exclude = [\n  '::1',\n  '10.0.0.0/33',\n]",
            3,
            "exclude = 10.0.0.0/33: prefix length is more than 32",
        ),
        ("exclude = [1]", 1, "exclude takes a list of texts in quotes"),
        ("exclude = {}", 1, "exclude takes a list of texts in quotes"),
        ("output = 5", 1, "output takes a path in quotes"),
        ("output = ''", 1, "output takes a path that isn't empty"),
        ("all = true\nmax_edges = 5", 2, "there is no option max_edges (max-edges is)"),
        (
            "[agent]\nall = true",
            1,
            "there is no option agent (the long names that `ngraph --help` tells are)",
        ),
        ("config = 'x'", 1, "config: a file names no other file"),
        (
            "help = true",
            1,
            "there is no option help (the long names that `ngraph --help` tells are)",
        ),
        ("all = true\nall = false", 2, "duplicate key"),
        ("all = true\n\ninterval", 3, "key with no value, expected `=`"),
    ] {
        let file = Written::new(text);
        let path = file.path().display().to_string();
        let (code, stderr) = ended(with(&path, &[]));
        let expected = format!("error: {path}:{line}: {problem}");
        assert_eq!(stderr.lines().next(), Some(&*expected), "{text}");
        assert_eq!(code, Some(2), "{text}");
    }
}

#[test]
fn what_is_no_file_of_options_is_refused_and_never_waited_for() {
    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name).display().to_string();
    let wanted = " (--config wants a file of options, see docs/configuration.md)";
    fs::write(at("latin1"), b"# caf\xe9\nall = true").unwrap();
    File::create(at("huge")).unwrap().set_len(1 << 30).unwrap();
    fs::create_dir(at("folder")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RWXU).unwrap();
    for (name, problem) in [
        ("gone", format!("no such file or directory{wanted}")),
        ("latin1", "line 1 is not UTF-8 (save it as UTF-8)".to_owned()),
        ("huge", format!("is larger than 1048576 bytes{wanted}")),
        ("folder", format!("is a folder{wanted}")),
        ("pipe", format!("is no regular file{wanted}")),
    ] {
        let (code, stderr) = ended(with(&at(name), &[]));
        let expected = format!("error: read {}: {problem}", at(name));
        assert_eq!((code, stderr.lines().next()), (Some(2), Some(&*expected)));
    }
}

#[test]
fn a_file_that_the_user_may_not_read_is_refused() {
    if !is_root() {
        return skip("needs root");
    }
    let place = Place::new();
    let file = place.output().join("ngraph.toml");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let mut command = place.command(&["--config"]);
    command.arg(&file);
    let (code, stderr) = ended(command);
    assert_eq!(code, Some(2));
    let expected = format!("error: read {}: permission denied (", file.display());
    assert!(stderr.starts_with(&expected), "{stderr}");
}

#[test]
fn the_example_has_every_option_at_its_default() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/ngraph.toml");
    let text = fs::read_to_string(&example).unwrap();
    let help = command(&["-h"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let options = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    let options =
        options.filter(|word| word.chars().all(|char| char.is_ascii_lowercase() || char == '-'));
    let mut count = 0;
    for option in options.filter(|option| !["help", "version", "config"].contains(option)) {
        let key = format!("\n{option} = ");
        assert_eq!(text.matches(&key).count(), 1, "{option} in deploy/ngraph.toml");
        count += 1;
    }
    assert!(count > 10, "{help}");
    let read = |args: &[&str]| {
        let cli = Source::new(args.iter().map(Into::into)).read().unwrap();
        Config::try_from(&cli).unwrap()
    };
    let mut of_example = read(&["ngraph", "--config", example.to_str().unwrap()]);
    assert_eq!(of_example.file.take().as_deref(), Some(&*example));
    assert_eq!(of_example, read(&["ngraph"]));
}

#[test]
fn the_page_shows_what_is_said() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = fs::read_to_string(page).unwrap();
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("wrong.toml"), "# Too often:\ninterval = 0\n").unwrap();
    let mut wrong = with("wrong.toml", &[]);
    wrong.current_dir(place.path());
    let (_, stderr) = ended(wrong);
    assert!(page.contains(stderr.lines().next().unwrap()), "{stderr}");

    let file = Written::new("interval = 3600\n");
    let agent = start(&file, &[PROCFS]);
    file.write("interval = 1\nexclude = ['::1']\ncapture = 'kprobe'\n");
    agent.signal(Signal::HUP);
    agent.settled();
    // The flag beats it, so that the file's way of capturing changes nothing.
    assert!(!agent.log().contains("capture can't change"));
    file.write("interval = 2\nexclude = []\nall = true\n");
    agent.signal(Signal::HUP);
    agent.says("all can't change");
    for line in agent.log().lines().filter(|line| line.contains("change")) {
        let words = line.split_once(' ').unwrap().1.replace("WARN all", "WARN capture");
        assert!(page.contains(&words), "{words}");
    }
}
