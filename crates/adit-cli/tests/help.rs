//! The whole command line, as it introduces itself.

mod tool;

use tool::Bench;

#[test]
fn every_verb_has_help_with_an_example() {
    let bench = Bench::new();
    for verb in [
        "run",
        "profile",
        "classify",
        "regress",
        "predict",
        "pretrain",
        "embed",
        "generate",
        "export",
        "bench embed",
        "bench train",
        "bench kernels",
        "bench events",
        "demo events",
        "bench itemsets",
        "rules",
        "sequences",
        "bench scaling",
        "completions",
        "model add",
        "model list",
        "model remove",
    ] {
        let mut args: Vec<&str> = verb.split(' ').collect();
        args.push("--help");
        let help = bench.adit(&args).ok().stdout;
        assert!(help.contains("Example"), "{verb} has no example:\n{help}");
        insta::assert_snapshot!(verb.replace(' ', "_"), help);
    }
}

#[test]
fn the_tool_introduces_itself() {
    insta::assert_snapshot!(Bench::new().adit(&["--help"]).ok().stdout);
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Bench::new().adit(&["completions", shell]).ok().stdout;
        assert!(script.contains("classify"), "{shell}");
    }
}
