use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn kind_is(text: &str, word: &str) {
    let refusal = Reach::public().check(address(text)).unwrap_err();
    assert!(refusal.kind.contains(word), "{text}: {}", refusal.kind);
}

#[test]
fn what_is_no_public_address_is_refused_with_what_it_is() {
    for (text, word) in [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "shared"),
        ("100.100.100.200", "shared"),
        ("100.127.255.255", "shared"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.192", "purpose"),
        ("192.0.2.1", "documentation"),
        ("198.19.0.1", "measurements"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fc00::1", "unique local"),
        ("fd00:ec2::254", "unique local"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
        ("2001::1", "purpose"),
        ("64:ff9b:1::1", "reserved"),
        ("100::1", "reserved"),
        ("5f00::1", "reserved"),
    ] {
        kind_is(text, word);
    }
}

#[test]
fn an_address_inside_another_is_refused_as_what_it_is() {
    for (text, word) in [
        ("::ffff:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("::ffff:0:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::169.254.169.254", "metadata"),
        ("64:ff9b::10.0.0.1", "private"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("2606:4700::5efe:10.0.0.1", "private"),
        ("2606:4700::200:5efe:10.0.0.1", "private"),
    ] {
        kind_is(text, word);
    }
}

#[test]
fn public_addresses_are_called() {
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "169.253.255.255",
        "168.63.129.17",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:81b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ] {
        assert_eq!(Reach::public().check(address(text)), Ok(()), "{text}");
    }
}

#[test]
fn what_a_rule_names_is_called_and_its_neighbour_is_not() {
    let reach = Reach::parse(&["10.1.0.0/16", "192.168.7.9", "fd00::/8", "Erp.Internal."]).unwrap();
    for text in [
        "10.1.0.1",
        "10.1.255.255",
        "192.168.7.9",
        "fd12::1",
        "::ffff:10.1.2.3",
        "64:ff9b::10.1.2.3",
    ] {
        assert_eq!(reach.check(address(text)), Ok(()), "{text}");
    }
    for text in ["10.2.0.1", "192.168.7.8", "fc00::1", "127.0.0.1"] {
        assert!(reach.check(address(text)).is_err(), "{text}");
    }
    assert!(reach.allows_host("erp.internal") && reach.allows_host("ERP.INTERNAL."));
    assert!(!reach.allows_host("erp.internal.example") && !reach.allows_host("internal"));
}

#[test]
fn everything_can_be_allowed() {
    let reach = Reach::parse(&["0.0.0.0/0", "::/0"]).unwrap();
    for reach in [reach, Reach::anywhere()] {
        for text in ["127.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1"] {
            assert_eq!(reach.check(address(text)), Ok(()), "{text}");
        }
    }
    let four = Reach::parse(&["0.0.0.0/0"]).unwrap();
    assert!(four.check(address("::1")).is_err());
}

#[test]
fn a_rule_that_is_none_is_refused_by_name() {
    for rule in [
        "",
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0",
        "10.0.0.0/-1",
        "http://erp",
        "erp.internal:80",
        "a..b",
        "*.internal",
        "10.0.0.0/8 ,",
    ] {
        let refusal = Reach::parse(&[rule]).unwrap_err().to_string();
        assert!(refusal.contains(&format!("`{}`", rule.trim())), "{refusal}");
    }
}
