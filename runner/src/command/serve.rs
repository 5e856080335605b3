//! `serve`: puts a runner on sockets.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sdk::integration::BuiltIntegration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, watch};

use super::address_file::AddressFile;
use super::backing::{Backing, Claim};
use super::invitation::{self, Ready};
use super::place::data_folder;
use super::settings_file::{self, SettingsFile};
use super::standby::stand_by;
use super::{Failure, logging};
use crate::clock::SystemClock;
use crate::entropy::Entropy;
use crate::instance::Instance;
use crate::outbound::{HttpOutbound, Reach};
use crate::ports::Ports;
use crate::server::admin::{self, Access};
use crate::server::{Front, Inherited, Limits, inherited_listeners, listen, serve as serve_socket};
use crate::spawn::Runtimes;
use crate::{Runner, clock};

/// The options of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeOptions {
    /// Address of the public ingress; port 0 picks a free port.
    #[arg(
        long,
        value_name = "ADDR",
        env = "RUNNER_LISTEN",
        default_value = "127.0.0.1:3000"
    )]
    listen: SocketAddr,
    /// Address of the console, the management API and `/metrics`; port 0 picks a free port.
    #[arg(
        long,
        value_name = "ADDR",
        env = "RUNNER_ADMIN",
        default_value = "127.0.0.1:3001"
    )]
    admin: SocketAddr,
    /// How callers reach the ingress; used in every URL that leaves. Made from the address if it is not given.
    #[arg(long, value_name = "URL", env = "RUNNER_PUBLIC_URL")]
    public_url: Option<String>,
    /// Where everything is kept: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/DATABASE`, on which one process is active and others
    /// stand by. SQLite in the data folder if it is not given.
    #[arg(long, value_name = "URL", env = "RUNNER_STORE", hide_env_values = true)]
    store: Option<String>,
    /// The folder for everything that lives on disk; only its owner can read it. `.runner/NAME` if it is not given.
    #[arg(long, value_name = "DIR", env = "RUNNER_DATA")]
    data: Option<PathBuf>,
    /// A TOML file with limits; every one of them has a default.
    #[arg(long, value_name = "FILE", env = "RUNNER_SETTINGS")]
    settings: Option<PathBuf>,
    /// An address, a network or a host name that flows may call although it is not public, such as `10.0.0.0/8`; may be repeated. Added
    /// to `outbound_allow` of the settings file.
    #[arg(
        long,
        value_name = "PLACE",
        env = "RUNNER_ALLOW_OUTBOUND",
        value_delimiter = ','
    )]
    allow_outbound: Vec<String>,
    /// Print one JSON line on standard output when ready, and nothing else ever.
    #[arg(long)]
    json: bool,
    /// Where the process dies: `before:step:2` is the second commit of a step, before its sync.
    #[cfg(feature = "crash-points")]
    #[arg(long, value_name = "PLACE", hide = true)]
    crash_at: Option<crate::store::CrashAt>,
}

/// Serves until it is asked to stop.
pub(super) fn serve(options: &ServeOptions, integration: BuiltIntegration) -> Result<(), Failure> {
    // First of all: it takes variables out of the environment, which no other thread may read meanwhile.
    let inherited = inherited_listeners().map_err(|fault| Failure(fault.to_string()))?;
    logging::start();
    let mut file = settings_file::read(options.settings.as_deref())?;
    let reach = reach(&mut file, &options.allow_outbound)?;
    let data = options
        .data
        .clone()
        .unwrap_or_else(|| data_folder(&integration.name));
    make_private_folder(&data)?;
    #[cfg(feature = "crash-points")]
    let file = SettingsFile {
        store: crate::store::SqliteOptions {
            crash_at: options.crash_at,
            ..file.store
        },
        ..file
    };
    let Backing {
        store,
        vault,
        claim,
    } = Backing::open(options.store.as_deref(), &data, &file)?;
    let access = Access::open(&data).map_err(|fault| Failure(fault.to_string()))?;

    let engine = threads("engine", None)?;
    let author = threads(
        "flow",
        Some(file.flow_threads.unwrap_or_else(default_flow_threads)),
    )?;
    let runtimes = Runtimes::new(engine.handle().clone(), author.handle().clone());
    let served = engine.block_on(async {
        let (ingress, admin) = match inherited {
            Some(inherited) => take_over(inherited)?,
            None => (
                bind(options.listen, "--listen")?,
                bind(options.admin, "--admin")?,
            ),
        };
        let public_url = match &options.public_url {
            Some(url) => check_public_url(url)?,
            None => format!("http://{}", ingress.1),
        };
        let outbound = HttpOutbound::new(
            Duration::from_secs(file.settings.outbound_seconds),
            file.settings.outbound_bytes,
        )
        .reaching(reach);
        let ports = Ports {
            integration,
            settings: file.settings,
            public_url,
            clock: Arc::new(SystemClock),
            entropy: Entropy::system(),
            spawn: Arc::new(runtimes),
            store,
            outbound: Arc::new(outbound),
            vault,
            tail: broadcast::Sender::new(4096),
        };
        let mut ends = Ends {
            signals: Signals::listen()?,
            claim,
        };
        let mut sockets = Sockets {
            ingress: ingress.0,
            admin,
        };
        if ends.claim.is_waiting() {
            sockets = match stand_by(sockets, &file.limits, &mut ends).await? {
                Some(sockets) => sockets,
                None => return Ok(()),
            };
        }
        run(
            ports,
            sockets,
            access,
            file.limits,
            ends,
            &data,
            options.json,
        )
        .await
    });
    // Author code that blocks its thread must not keep the process: it is found unfinished at the next start.
    author.shutdown_background();
    engine.shutdown_timeout(Duration::from_secs(1));
    served
}

pub(super) struct Sockets {
    pub(super) ingress: TcpListener,
    pub(super) admin: (TcpListener, SocketAddr),
}

/// What ends the process.
pub(super) struct Ends {
    pub(super) signals: Signals,
    pub(super) claim: Claim,
}

impl Ends {
    /// Waits for the end; returns what is wrong if nobody asked for it.
    async fn wait(&mut self) -> Option<Failure> {
        tokio::select! {
            () = self.signals.wait() => None,
            lost = self.claim.lost() => Some(lost),
        }
    }
}

async fn run(
    ports: Ports,
    sockets: Sockets,
    access: Access,
    limits: Limits,
    mut ends: Ends,
    data: &Path,
    json: bool,
) -> Result<(), Failure> {
    let (public_url, grace, local_wanted) = (
        ports.public_url.clone(),
        ports.settings.grace(),
        ports.settings.local_instance,
    );
    let runner = Runner::start(ports)
        .await
        .map_err(|fault| Failure::because("the runner cannot start", &fault))?;
    let runner = Arc::new(runner);
    let (stop, stopping) = watch::channel(false);
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        // The sender lives until everything is down.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let front = Front::new(Arc::clone(&runner));
    let admin_url = format!("http://{}", sockets.admin.1);
    let token_file = access.token_file().to_owned();
    let router = admin::router(
        Arc::clone(&runner),
        access.for_address(sockets.admin.1),
        stopping.clone(),
    );
    let management_limits = Limits {
        body_bytes: limits.body_bytes.saturating_mul(2),
        ..Limits::default()
    };
    let public = serve_socket(
        sockets.ingress,
        front,
        limits,
        stopped(stopping.clone()),
        grace.saturating_add(FAREWELL),
    );
    let management = serve_socket(
        sockets.admin.0,
        router,
        management_limits,
        stopped(stopping),
        Duration::from_secs(2),
    );
    #[expect(
        clippy::disallowed_methods,
        reason = "both listeners are waited for before this function ends"
    )]
    let (public, management) = (tokio::task::spawn(public), tokio::task::spawn(management));

    // The endpoints are open before the deploy functions of the local instance run: other systems call back.
    let mut lost = None;
    let end = async { lost = ends.wait().await };
    let deployed = deploy_local(&runner, local_wanted, end).await?;
    if let Deployed::Yes(local) = deployed {
        let ready = Ready {
            public_url: &public_url,
            admin_url: &admin_url,
            admin_token_file: &token_file,
        };
        let told = if json {
            invitation::line(&ready)
        } else {
            invitation::text(&ready, &runner.engine.ports, local.as_deref())
        };
        let address_file = tell_commands(data, &admin_url);
        announce(&told);
        lost = ends.wait().await;
        if let Some(file) = address_file {
            file.remove();
        }
    }
    tracing::info!("stopping");
    runner.drain();
    let mut grace = grace;
    if lost.is_some() {
        // Another process runs the same executions now; callers only hear that nothing was accepted.
        runner.stop(Duration::ZERO).await;
        grace = LOST_GRACE;
    }
    let deadline = runner.engine.ports.clock.now() + grace;
    // A closed channel means that both listeners are gone already.
    let _ = stop.send(true);
    let mut served = std::pin::pin!(async { (public.await, management.await) });
    let drained = clock::until(&SystemClock, deadline, served.as_mut()).await;
    let left = deadline.since(runner.engine.ports.clock.now());
    runner.stop(left).await;
    if drained.is_err() {
        tracing::warn!("callers were still connected when the time to stop was over");
        // Whoever waits for a result hears now that its run goes on at the next start.
        if lost.is_none() {
            let _ = served.await;
        }
    }
    tracing::info!("stopped");
    lost.map_or(Ok(()), Err)
}

/// How long callers get when the process may write no longer.
const LOST_GRACE: Duration = Duration::from_secs(2);

/// How long connections outlive the runs for which they wait, so that callers can be told what becomes of them.
const FAREWELL: Duration = Duration::from_secs(1);

/// What became of the local instance at the start.
#[derive(Debug)]
pub(super) enum Deployed {
    /// It is there, if it is wanted.
    Yes(Option<Arc<Instance>>),
    /// Somebody asked the process to stop before it was.
    Stopped,
}

/// Deploys the local instance, but no longer than until `stop` is done: its deploy functions may wait for others (G8). The next start
/// deploys it again.
pub(super) async fn deploy_local(
    runner: &Runner,
    is_wanted: bool,
    stop: impl Future<Output = ()>,
) -> Result<Deployed, Failure> {
    if !is_wanted {
        return Ok(Deployed::Yes(None));
    }
    tokio::select! {
        deployed = runner.deploy_local() => match deployed {
            Ok(local) => Ok(Deployed::Yes(local)),
            Err(fault) => Err(Failure::because("the runner cannot start", &fault)),
        },
        () = stop => Ok(Deployed::Stopped),
    }
}

/// Leaves the address of the management API where commands look for it. The server serves without it too.
fn tell_commands(data: &Path, admin_url: &str) -> Option<AddressFile> {
    match AddressFile::write(data, admin_url) {
        Ok(file) => Some(file),
        Err(fault) => {
            tracing::warn!(
                %fault,
                "commands cannot be told where the management API is; give them `--admin {admin_url}`"
            );
            None
        }
    }
}

/// Says it to whoever started the process; one who has stopped listening (`| head`) is no reason to stop serving.
fn announce(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|fault| Failure(format!("signals cannot be listened to: {fault}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn threads(name: &'static str, count: Option<usize>) -> Result<Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_name(name);
    if let Some(count) = count {
        builder.worker_threads(count);
    }
    builder
        .build()
        .map_err(|fault| Failure(format!("threads cannot be started: {fault}")))
}

/// Author code may block, and each function that does keeps a thread from all the others: many more threads than there are processors.
/// One that has nothing to do costs a few kilobytes.
fn default_flow_threads() -> usize {
    std::thread::available_parallelism()
        .map_or(FLOW_THREADS, |count| (count.get() * 2).max(FLOW_THREADS))
}

const FLOW_THREADS: usize = 64;

fn bind(address: SocketAddr, option: &str) -> Result<Bound, Failure> {
    let failed = |fault: std::io::Error| match fault.kind() {
        std::io::ErrorKind::AddrInUse => Failure(format!(
            "the address {address} is in use; stop what listens there or choose another with `{option}`"
        )),
        _ => Failure(format!(
            "the address {address} cannot be listened on: {fault}; choose another with `{option}`"
        )),
    };
    listen(address).and_then(bound).map_err(failed)
}

type Bound = (TcpListener, SocketAddr);

fn bound(listener: std::net::TcpListener) -> std::io::Result<Bound> {
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Uses sockets that somebody else opened: no request is refused while one process follows another.
fn take_over(inherited: Inherited) -> Result<(Bound, Bound), Failure> {
    let taken = bound(inherited.public).and_then(|public| Ok((public, bound(inherited.admin)?)));
    taken.map_err(|fault| {
        Failure(format!(
            "the sockets that were handed on cannot be used: {fault}"
        ))
    })
}

/// Adds what the command line allows to what the settings file does.
fn reach(file: &mut SettingsFile, allowed: &[String]) -> Result<Reach, Failure> {
    let rules = &mut file.settings.outbound_allow;
    rules.extend(allowed.iter().filter(|rule| !rule.is_empty()).cloned());
    Reach::parse(rules).map_err(|fault| Failure(format!("`--allow-outbound`: {fault}")))
}

fn check_public_url(url: &str) -> Result<String, Failure> {
    let url = url.trim().trim_end_matches('/');
    let parsed: Option<http::Uri> = url.parse().ok();
    let fits = parsed.is_some_and(|uri| {
        let host = uri.host().is_some_and(|host| !host.is_empty());
        matches!(uri.scheme_str(), Some("http" | "https")) && host && uri.query().is_none()
    });
    if fits {
        Ok(url.to_owned())
    } else {
        Err(Failure(format!(
            "`{url}` is no public URL; write it like `https://hooks.example.com`"
        )))
    }
}

fn make_private_folder(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let shown = path.display();
    let failed = |fault: std::io::Error| {
        Failure(format!(
            "the data folder `{shown}` cannot be used: {fault}; choose another with `--data`"
        ))
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(failed)
}
