//! Splits a command line into what the desk needs and what goes on to the integration.

use std::ffi::{OsStr, OsString};

use super::fault::Fault;

/// A command line, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// What to do; `serve` if nothing is said.
    pub(super) command: String,
    /// The package of the integration; the default one of the workspace if nothing is said.
    pub(super) package: Option<String>,
    /// Whether to build with optimisations.
    pub(super) release: bool,
    /// Everything else, as it was and in its order.
    pub(super) rest: Vec<OsString>,
}

impl Order {
    /// Takes `-p PACKAGE` and `--release` out, wherever they stand before a `--`, then the command.
    ///
    /// # Errors
    ///
    /// `-p` without a package, or twice; a command that is no text.
    pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Fault> {
        let mut order = Self {
            command: "serve".to_owned(),
            package: None,
            release: false,
            rest: Vec::new(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                order.rest.push(argument);
                order.rest.extend(arguments);
                break;
            }
            if argument == "--release" {
                order.release = true;
            } else if let Some(attached) = attached_package(&argument) {
                order.name_package(attached)?;
            } else if argument == "-p" || argument == "--package" {
                let package = arguments.next().ok_or(Fault::PackageMissing)?;
                order.name_package(package.to_str().ok_or(Fault::PackageMissing)?)?;
            } else {
                order.rest.push(argument);
            }
        }
        order.take_command()?;
        Ok(order)
    }

    /// Whether `--help` stands among the arguments of the command.
    pub(super) fn asks_for_help(&self) -> bool {
        self.own_arguments()
            .any(|argument| argument == "--help" || argument == "-h")
    }

    /// The last value of an option such as `--listen`, written `--listen VALUE` or `--listen=VALUE`.
    #[cfg(unix)]
    pub(super) fn value_of(&self, option: &str) -> Option<&str> {
        let mut found = None;
        let mut arguments = self.own_arguments();
        while let Some(argument) = arguments.next() {
            if argument == option {
                found = arguments.next().and_then(OsStr::to_str);
            } else if let Some(value) = argument
                .to_str()
                .and_then(|text| text.strip_prefix(option)?.strip_prefix('='))
            {
                found = Some(value);
            }
        }
        found
    }

    fn own_arguments(&self) -> impl Iterator<Item = &OsStr> {
        let arguments = self.rest.iter().map(OsString::as_os_str);
        arguments.take_while(|argument| *argument != "--")
    }

    fn name_package(&mut self, package: &str) -> Result<(), Fault> {
        if package.is_empty() || package.starts_with('-') {
            return Err(Fault::PackageMissing);
        }
        if self.package.is_some() {
            return Err(Fault::PackageTwice);
        }
        self.package = Some(package.to_owned());
        Ok(())
    }

    fn take_command(&mut self) -> Result<(), Fault> {
        let first = self.rest.first().and_then(|argument| argument.to_str());
        match first {
            Some("-h" | "--help") => "help".clone_into(&mut self.command),
            Some("-V" | "--version") => "version".clone_into(&mut self.command),
            Some(option) if option.starts_with('-') => {}
            Some(command) => {
                command.clone_into(&mut self.command);
                self.rest.remove(0);
            }
            None => {
                if let Some(argument) = self.rest.first() {
                    let command = argument.to_string_lossy().into_owned();
                    return Err(Fault::NoSuchCommand { command });
                }
            }
        }
        Ok(())
    }
}

/// The package in `-pPACKAGE`, `-p=PACKAGE` or `--package=PACKAGE`.
fn attached_package(argument: &OsStr) -> Option<&str> {
    let text = argument.to_str()?;
    if let Some(package) = text.strip_prefix("--package=") {
        return Some(package);
    }
    let package = text.strip_prefix("-p").filter(|rest| !rest.is_empty())?;
    Some(package.strip_prefix('=').unwrap_or(package))
}

#[cfg(test)]
mod tests {
    use super::{Fault, Order};

    fn read(line: &str) -> Result<Order, Fault> {
        Order::read(line.split_whitespace().map(Into::into))
    }

    /// `wanted`: command, package, and the rest.
    #[track_caller]
    fn check(line: &str, wanted: (&str, Option<&str>, &str)) {
        let order = read(line).unwrap();
        let rest: Vec<_> = order
            .rest
            .iter()
            .map(|word| word.to_str().unwrap())
            .collect();
        let rest = rest.join(" ");
        assert_eq!(
            (order.command.as_str(), order.package.as_deref(), &*rest),
            wanted,
            "{line}"
        );
    }

    #[test]
    fn nothing_said_means_serve() {
        check("", ("serve", None, ""));
        check("--json", ("serve", None, "--json"));
        check("-p lab", ("serve", Some("lab"), ""));
        check(
            "--listen 127.0.0.1:0 --json",
            ("serve", None, "--listen 127.0.0.1:0 --json"),
        );
    }

    #[test]
    fn the_package_is_taken_out_wherever_it_stands() {
        let wanted = ("logs", Some("lab"), "--follow");
        for line in [
            "logs -p lab --follow",
            "logs --follow -p lab",
            "-p lab logs --follow",
            "--package lab logs --follow",
            "logs --package=lab --follow",
            "logs -plab --follow",
            "logs -p=lab --follow",
        ] {
            check(line, wanted);
        }
    }

    #[test]
    fn nothing_is_taken_out_after_two_dashes() {
        check(
            "invoke echo -- -p lab --release",
            ("invoke", None, "echo -- -p lab --release"),
        );
        assert!(!read("invoke echo -- --release").unwrap().release);
    }

    #[test]
    fn other_options_that_begin_with_p_are_left_alone() {
        check(
            "serve --public-url https://acme.example",
            ("serve", None, "--public-url https://acme.example"),
        );
    }

    #[test]
    fn release_is_for_the_desk() {
        let order = read("serve --release --json").unwrap();
        assert!(order.release);
        assert_eq!(order.rest, ["--json"]);
    }

    #[test]
    fn help_before_a_command_is_about_the_desk_and_after_it_about_the_command() {
        check("--help", ("help", None, "--help"));
        check("help", ("help", None, ""));
        check("-V", ("version", None, "-V"));
        check("serve --help", ("serve", None, "--help"));
        assert!(read("dev --help").unwrap().asks_for_help());
        assert!(!read("dev -- --help").unwrap().asks_for_help());
    }

    #[test]
    fn a_package_option_without_a_package_is_refused() {
        for line in [
            "serve -p",
            "serve --package",
            "serve --package=",
            "-p --json",
        ] {
            assert!(matches!(read(line), Err(Fault::PackageMissing)), "{line}");
        }
        assert!(matches!(read("-p one -p two"), Err(Fault::PackageTwice)));
    }

    #[cfg(unix)]
    #[test]
    fn the_last_value_of_an_option_counts() {
        let order = read("dev --listen :1 --admin=:2 --listen=:3 -- --admin :4").unwrap();
        assert_eq!(order.value_of("--listen"), Some(":3"));
        assert_eq!(order.value_of("--admin"), Some(":2"));
        assert_eq!(order.value_of("--data"), None);
    }

    #[cfg(unix)]
    #[test]
    fn an_argument_that_is_no_text_goes_on_as_it_is() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt as _;

        let bytes = OsString::from_vec(vec![b'a', 0xff]);
        let order = Order::read(["serve".into(), bytes.clone()]).unwrap();
        assert_eq!(order.rest, std::slice::from_ref(&bytes));
        assert!(matches!(
            Order::read([bytes]),
            Err(Fault::NoSuchCommand { .. })
        ));
    }
}
