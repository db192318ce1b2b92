//! The `gadgetry` command.

fn main() -> std::process::ExitCode {
    gadgetry::cli::main()
}
