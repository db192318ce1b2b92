//! A person at a terminal, played by Python.

use std::process::Command;

use crate::harness::{Gadgetry, Kind, PASSWORD, Registry, USER};

/// Runs the program in a terminal of its own, types lines when their prompt appears, prints all it shows, whether the terminal echoes
/// afterwards, and how it ended.
const PERSON: &str = r#"
import os, pty, sys, termios, time, select
program, typed = sys.argv[1:sys.argv.index('--')], sys.argv[sys.argv.index('--') + 1:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(program[0], program)
echoes = lambda: bool(termios.tcgetattr(fd)[3] & termios.ECHO)
shown, deadline, silent = b'', time.time() + 60, []
pairs = [p.split('=', 1) for p in typed]
while time.time() < deadline:
    ready = select.select([fd], [], [], 0.1)[0]
    if ready:
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    if pairs and shown.endswith(pairs[0][0].encode()):
        if pairs[0][0] == 'Password: ':
            while echoes() and time.time() < deadline:
                time.sleep(0.01)
            silent.append(not echoes())
        os.write(fd, pairs[0][1].encode().decode('unicode_escape').encode())
        pairs.pop(0)
        shown += b'|'
try:
    after = echoes()
except termios.error:
    after = None
_, status = os.waitpid(pid, 0)
print(shown.decode())
print('silent', silent, 'echoes', after, 'status', os.waitstatus_to_exitcode(status), 'untyped', len(pairs))
"#;

fn person(gadgetry: &Gadgetry, arguments: &[&str], typed: &[&str]) -> String {
    let program = gadgetry.command(arguments);
    let mut command = Command::new("python3");
    command.arg("-c").arg(PERSON).arg(program.get_program()).args(program.get_args()).arg("--").args(typed);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Both are asked for, the password is not shown while it is typed, and the terminal is as it was.
#[test]
fn asked_at_a_terminal() {
    let (registry, gadgetry) = (Registry::start(Kind::PlainAuth), Gadgetry::new());
    let typed = [format!("Username: ={USER}\\n"), format!("Password: ={PASSWORD}\\n")];
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    let shown = person(&gadgetry, &["login", &registry.host, "--plain-http"], &typed);
    assert!(shown.contains("Username: |alice") && shown.contains("Password: |") && shown.contains("Login Succeeded"), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(shown.contains("silent [True] echoes True status 0 untyped 0"), "{shown}");
    // With the user given only the password is asked for.
    let shown = person(&gadgetry, &["login", &registry.host, "--plain-http", "-u", USER], &typed[1..]);
    assert!(!shown.contains("Username") && shown.contains("Login Succeeded"), "{shown}");
}

/// Ctrl-C and the end of input at the prompt end it, keep nothing, and leave a terminal that echoes.
#[test]
fn interrupted_at_a_terminal() {
    let (registry, gadgetry) = (Registry::start(Kind::PlainAuth), Gadgetry::new());
    let arguments = ["login", &registry.host, "--plain-http", "-u", USER];
    let shown = person(&gadgetry, &arguments, &["Password: =half\\x03"]);
    assert!(shown.contains("silent [True] echoes True status 130"), "{shown}");
    let shown = person(&gadgetry, &arguments, &["Password: =\\x04"]);
    assert!(shown.contains("silent [True] echoes True status 1 ") && shown.contains("Error: "), "{shown}");
    assert!(!gadgetry.data.path().join("config.json").exists());
}
