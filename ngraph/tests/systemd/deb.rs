//! Debian's package: `cargo xtask deb` makes it and runs this.

use crate::package;

#[test]
fn the_package_is_installed_runs_and_is_purged_without_a_trace() {
    package::on_a_machine("deb", "dpkg", |machine| {
        // Containers have one that lets packages start nothing.
        machine.run(&["rm", "-f", "/usr/sbin/policy-rc.d"]);
        machine.run(&["dpkg", "--install", "/tmp/package"]);
        package::runs(machine);
        assert!(machine.path("/usr/share/man/man8/ngraph.8.gz").exists());
        assert!(machine.path("/usr/share/doc/ngraph/examples/ngraph.toml").exists());

        machine.run(&["dpkg", "--remove", "ngraph"]);
        assert!(!machine.path("/run/ngraph").exists());
        machine.run(&["dpkg", "--purge", "ngraph"]);
        package::is_gone(machine);
    });
}
