"""(a) Celery eta: pending timers are unacked messages in the worker's memory. Durable classic queue, confirms, acks_late,
prefork -c 2. Run: python timers_celery.py"""
import datetime as dt, os, time, uuid
from celery import Celery
from kombu import Exchange, Queue
import common, timer_common as tc

Q = "peers_tm_celery"
PREFETCH = int(os.environ.get("PEERS_PREFETCH", "4"))     # Celery default 4; 0 = no limit
app = Celery("peers_timers", broker=common.AMQP_URI)
app.conf.update(worker_prefetch_multiplier=PREFETCH, task_acks_late=True, task_reject_on_worker_lost=True, task_ignore_result=True, broker_transport_options={"confirm_publish": True},
                task_queues=[Queue(Q, Exchange(Q, type="direct"), routing_key=Q)], task_default_queue=Q, task_default_exchange=Q, task_default_routing_key=Q,
                broker_connection_retry_on_startup=True)


@app.task(name="peers.fire")
def fire(timer_id, due): tc.fire(timer_id, due)


class M(tc.Mechanism):
    pending = 100_000 if PREFETCH == 0 else 1_000        # with the default prefetch it takes in some tens a second
    name, note, stagnant = f"celery-eta-prefetch-{PREFETCH}", "classic queue, prefork -c 2, acks_late; bulk = prebuilt messages with pipelined confirms", 40

    def reset(self): common.delete_queues([Q])

    def arm(self, items):
        for i, due in items:
            app.send_task("peers.fire", (i, due), task_id=i, eta=dt.datetime.fromtimestamp(due, dt.timezone.utc))

    def bulk(self, items):
        import amqp
        from kombu.serialization import dumps
        f = common.Feeder()
        for i, due in items:
            m = app.amqp.as_task_v2(i, "peers.fire", (i, due), {}, eta=dt.datetime.fromtimestamp(due, dt.timezone.utc)); ct, ce, body = dumps(m.body, "json")
            f.publish(Q, Q, amqp.Message(body, content_type=ct, content_encoding=ce, application_headers=m.headers, delivery_mode=2,
                                         **{k: v for k, v in m.properties.items() if v}))
            if f.sent % 200 == 0: f.flush()
        f.flush(); f.conn.close()

    def spawn(self):
        return [common.spawn(["celery", "-A", "timers_celery", "worker", "-Q", Q, "-n", f"t{uuid.uuid4().hex[:6]}@peers", "-c", "2", "-l", "warning",
                              "--without-gossip", "--without-mingle"])]

    def ready(self): s = common.queue_state([Q])[0]; return bool(s and s[1])
    def lead(self, n, rate): return 1.25 * n / rate + float(os.environ.get("PEERS_LEAD", "10"))   # room for the worker to take them in

    def loaded(self): s = common.queue_state([Q])[0]; return bool(s and s[0] == 0)

    def cancel(self, ids):
        for i in range(0, len(ids), 1000): app.control.revoke(ids[i:i + 1000])
        app.control.inspect(timeout=60, limit=1).ping()

    def cancel_extra(self, ids):
        t = time.time()
        for i in ids[:500]: app.control.revoke(i)
        app.control.inspect(timeout=60, limit=1).ping()
        r = {"cancel_single_per_s": round(500 / (time.time() - t))}
        r["revoked_known_to_worker"] = sum(map(len, (app.control.inspect(timeout=20, limit=1).revoked() or {}).values())); return r

    def extra(self): return {"revoked_known_after_kill": sum(map(len, (app.control.inspect(timeout=20, limit=1).revoked() or {}).values()))}


if __name__ == "__main__": tc.run(M())
