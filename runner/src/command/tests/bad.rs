//! Servers that are not there, and those that are none.

use std::fs;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::shop::{Shop, run_anywhere};
use crate::command::address_file;

#[tokio::test]
async fn a_server_that_does_not_run_is_told_with_the_command_that_starts_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display();
    let told = run_anywhere(&format!("executions --data {data}")).await;
    assert_eq!(
        told.failure(),
        format!(
            "no server of `shop` runs on the data folder `{data}`; start it with `shop serve --data {data}`, \
             or in its workspace with `cargo run -p runner -- serve -p shop --data {data}`, \
             or say where it is with `--data DIR` (`invoke`: `--data-dir DIR`) or `--admin URL`"
        )
    );
    assert_eq!(told.output, "");
}

#[tokio::test]
async fn a_server_that_was_killed_is_told_as_one_that_does_not_run() {
    let shop = Shop::open().await;
    // Nothing listens there: the port was given back.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let told = shop
        .run(&format!("instances --admin http://{address}"))
        .await;
    let start = format!("no server answers at http://{address}: ");
    assert!(told.failure().starts_with(&start), "{told:?}");
    assert!(told.failure().contains("start it with `shop serve --data "));
}

#[tokio::test]
async fn a_wrong_or_missing_token_is_told() {
    let shop = Shop::open().await;
    let token = shop.folder.path().join("admin-token");
    fs::write(&token, "x".repeat(48)).unwrap();
    assert_eq!(
        shop.run("instances").await.failure(),
        "the token is not the one of this server; read it from its token file"
    );
    let told = shop.run("instances --json").await;
    assert!(
        told.output.starts_with("{\"error\":\"the token is not"),
        "{told:?}"
    );
    fs::write(&token, "two\nlines").unwrap();
    assert!(
        shop.run("instances")
            .await
            .failure()
            .starts_with("there is no token")
    );
    fs::remove_file(&token).unwrap();
    assert!(
        shop.run("instances")
            .await
            .failure()
            .contains("admin-token`: ")
    );
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let shop = Shop::open().await;
    for url in ["localhost:3001", "ftp://x", "http://", "''"] {
        let told = shop.run(&format!("instances --admin {url}")).await;
        assert!(
            told.failure().contains("no URL of a management API"),
            "{told:?}"
        );
    }
    let url = format!("{}/", shop.url);
    assert!(
        shop.run(&format!("instances --admin {url}"))
            .await
            .failure
            .is_none()
    );
    fs::write(address_file::path(shop.folder.path()), "nonsense").unwrap();
    let told = shop.run("instances").await;
    assert!(
        told.failure()
            .contains("admin.json` does not say where the server is")
    );
}

/// Answers every connection with these bytes.
async fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    Handle::current().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn something_else_that_answers_is_no_management_api() {
    let shop = Shop::open().await;
    for answer in [
        "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nsorry",
        "HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        let url = stranger(answer).await;
        for line in ["instances", "logs --follow"] {
            let told = shop.run(&format!("{line} --admin {url}")).await;
            let start = format!("what answers at {url} is no management API (status ");
            assert!(told.failure().starts_with(&start), "{told:?}");
        }
    }
    let url = stranger("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").await;
    let told = shop.run(&format!("instances --admin {url}")).await;
    assert!(told.failure().contains(" broke off: "), "{told:?}");
}

#[tokio::test]
async fn help_is_there_for_every_command() {
    for line in ["--help", "help replay", "executions --help", "keys -h"] {
        let told = run_anywhere(line).await;
        assert!(told.failure().contains("Usage: "), "{line}");
    }
    let told = run_anywhere("frobnicate").await;
    assert!(told.failure().contains("unrecognized subcommand"));
}
