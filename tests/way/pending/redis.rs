//! What is pending in a Redis, which replicas and commands share.

use super::shop::Shop;
use super::{end, essence, id};
use crate::support::alipay::{Form, Notification};
use crate::support::redis::Redis;
use crate::support::upstream::Act;

/// What the user of a sidecar that keeps what failed must be allowed, as the README says.
const RULES: &str = "~alipay-sidecar:* -@all +ping +select +eval +evalsha +get +set +del +expire +time +zadd +zrem +zcard +zscore \
                     +zremrangebyscore +zrange +zrangebyscore +zincrby +hset +hget +hmget +exists";

#[test]
fn in_a_redis_replicas_and_the_commands_share_what_is_pending() {
    let redis = Redis::start();
    assert!(
        redis
            .say(
                &[
                    &["ACL", "SETUSER", "sidecar", "on", ">secret"],
                    &*RULES.split_whitespace().collect::<Vec<_>>()
                ]
                .concat()
            )
            .contains("OK")
    );
    let shop = Shop::shared(&format!("redis://sidecar:secret@127.0.0.1:{}/0", redis.port));
    let [one, another] = [(); 2].map(|()| shop.sidecar());
    let (first, second) = (Notification::genuine(Form::V1), Notification::genuine(Form::V2));
    let (sent_first, sent_second) = (shop.fails(&one, &first), shop.fails(&one, &second));
    let mut ids = shop.ids();
    ids.sort();
    assert_eq!(ids, [id(&sent_first), id(&sent_second)]);
    // One that is started looks at what is kept.
    let third = shop.sidecar();
    while !third.admin("/metrics").1.contains("alipay_sidecar_pending 2\n") {}
    end(third, "TERM");
    // By hand, exactly as it was; then no replica delivers it again.
    let (code, out, err) = shop.pending(&["replay", &id(&sent_first)]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let again = shop.upstream.got();
    assert_eq!((essence(&again), again.header("alipay-attempt")), (essence(&sent_first), Some("2")));
    for sidecar in [&one, &another] {
        sidecar.connect().post(&first.body()).is(200, "success");
    }
    let (code, out, _) = shop.pending(&["replay", &id(&sent_first), "5608nothing"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("accepted_earlier") && out.contains("unknown"), "{out}");
    shop.upstream.got_nothing();
    // By hand, and refused: it stays, and the lease does not.
    shop.upstream.does([Act::status(503)]);
    let (code, out, _) = shop.pending(&["replay", "--all"]);
    assert_eq!(code, Some(1), "{out}");
    shop.upstream.got();
    assert_eq!(
        (&shop.list()[0]["attempts"], &shop.list()[0]["reason"]),
        (&2.into(), &"upstream_refused".into())
    );
    // Accepted from another replica, it is pending nowhere.
    another.connect().post(&second.body()).is(200, "success");
    assert_eq!(shop.upstream.got().header("alipay-attempt"), Some("3"));
    assert!(shop.ids().is_empty());
    assert_eq!(redis.say(&["ACL", "LOG"]), "", "it may do all that it does");
    end(one, "TERM");
    end(another, "TERM");
}

#[test]
fn of_two_replays_at_once_by_redis_one_delivers() {
    let redis = Redis::start();
    let shop = Shop::shared(&redis.url());
    let sidecar = shop.sidecar();
    let notification = Notification::genuine(Form::V1);
    let first = shop.fails(&sidecar, &notification);
    shop.upstream.does([Act::Wait]);
    let child = shop.begin(&["replay", &id(&first)]);
    shop.upstream.got();
    let (code, out, _) = shop.pending(&["replay", "--all"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("in_flight_elsewhere"), "{out}");
    sidecar.connect().post(&notification.body()).is(200, "fail");
    shop.upstream.release();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    sidecar.connect().post(&notification.body()).is(200, "success");
    shop.upstream.got_nothing();
    assert!(shop.ids().is_empty());
    end(sidecar, "TERM");
}

#[test]
fn without_its_redis_the_commands_say_so() {
    let mut redis = Redis::start();
    let shop = Shop::shared(&redis.url());
    redis.kill();
    let (code, _, err) = shop.pending(&["list"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("ledger_out_of_reach") && err.contains("127.0.0.1"), "{err}");
}

#[test]
fn what_cannot_be_read_is_named_and_holds_up_nothing_else() {
    let redis = Redis::start();
    let shop = Shop::shared(&redis.url());
    let sidecar = shop.sidecar();
    let sent = [(); 3].map(|()| shop.fails(&sidecar, &Notification::genuine(Form::V1)));
    let event = redis.key(|key| {
        key.starts_with("alipay-sidecar:pending:")
            && redis.say(&["HGET", key, "kept"]).contains(&id(&sent[1]))
    });
    redis.say(&["HSET", &event, "kept", "of another version"]);
    let record = event.strip_prefix("alipay-sidecar:pending:").unwrap();
    // Listed, and said to be there.
    let (code, out, err) = shop.pending(&["list"]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    let wanted = format!("unreadable: {record}: what is kept is damaged, or of another version: update");
    assert!(out.contains(&id(&sent[0])) && out.contains(&id(&sent[2])) && out.contains(&wanted), "{out}");
    let (code, out, _) = shop.pending(&["list", "--json"]);
    assert_eq!((code, out.lines().count()), (Some(1), 3), "{out}");
    assert!(out.contains(&format!("{{\"record\":\"{record}\",\"unreadable\":")), "{out}");
    // Not sent, also by its own name, and the others are.
    let (code, out, _) = shop.pending(&["replay", &id(&sent[1])]);
    assert!(code == Some(1) && out.contains("unreadable"), "{out}");
    shop.upstream.got_nothing();
    let (code, out, _) = shop.pending(&["replay", "--all"]);
    assert_eq!((code, shop.upstream.all_got().len()), (Some(1), 2), "{out}");
    assert!(out.contains("unreadable") && out.contains(record), "{out}");
    // Removed, it is told of, and over.
    redis.say(&["DEL", &event]);
    assert_eq!(shop.pending(&["list"]), (Some(0), "Nothing is pending.\n".to_owned(), String::new()));
    end(sidecar, "TERM");
}
