//! The lab as a server.

fn main() -> std::process::ExitCode {
    runner::main(lab::integration())
}
