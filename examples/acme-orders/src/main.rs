//! Acme orders as a server.

fn main() -> std::process::ExitCode {
    runner::main(acme_orders::integration())
}
