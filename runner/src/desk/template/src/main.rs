//! Serves the integration.

fn main() -> std::process::ExitCode {
    runner::main(new_integration::integration())
}
