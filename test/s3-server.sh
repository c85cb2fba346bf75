#!/usr/bin/env bash
# A real S3 server for the tests: Ceph's radosgw with one monitor and one object store in memory, on loopback only.
#
#   apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd
#   eval "$(test/s3-server.sh start)" && npm test
#   test/s3-server.sh stop
#
# start prints what the tests need in the environment; the other user there has no rights but those a test gives it. All state is below S3_SERVER_DIR; stop removes it. S3_SERVER_PORT, and
# the port after it, must be free.
set -euo pipefail

dir=${S3_SERVER_DIR:-/tmp/fastify-sqlite-snapshots-s3}
port=${S3_SERVER_PORT:-9400}
key=testkey secret=testsecret
other_user=limited other_key=limitedkey other_secret=limitedsecret
cluster=5c0ffee0-0000-4000-8000-000000000001 store=5c0ffee0-0000-4000-8000-000000000002
monitor="[v2:127.0.0.1:$((port + 1))]"

configuration () {
  cat <<END
[global]
fsid = $cluster
mon_host = $monitor
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
run_dir = $dir
pid_file = $dir/\$name.pid
admin_socket =
log_file = $dir/\$name.log
mon_cluster_log_file = $dir/cluster.log
crash_dir = $dir
mon_data = $dir/mon
osd_data = $dir/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
mon_data_avail_warn = 2
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
rgw_rados_pool_pg_num_min = 1

[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 1
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
END
}

# A pid file may outlive its process, and the number may be another's by now.
is_ours () { [[ -e $dir/$1.pid ]] && tr '\0' ' ' 2>/dev/null <"/proc/$(<"$dir/$1.pid")/cmdline" | grep -qF "$dir/ceph.conf"; }

answers () { curl -s -o /dev/null -m 2 "http://127.0.0.1:$port/"; }

# Runs a program of Ceph, which waits for ever where the monitor does not answer.
ceph_program () { timeout 120 "$@" -c "$dir/ceph.conf" >>"$dir/start.log" 2>&1; }

start () {
  stop
  mkdir -p "$dir/mon" "$dir/osd"
  configuration >"$dir/ceph.conf"
  trap 'tail -n 5 "$dir"/*.log >&2; stop' ERR
  ceph_program monmaptool --create --clobber --fsid "$cluster" --addv a "$monitor" "$dir/monmap"
  ceph_program ceph-mon -i a --mkfs --monmap "$dir/monmap"
  ceph_program ceph-mon -i a
  ceph_program ceph osd new "$store" 0
  ceph_program ceph-osd -i 0 --mkfs --osd-uuid "$store"
  ceph_program ceph-osd -i 0
  ceph_program radosgw-admin user create --uid=tests --display-name=tests --access-key="$key" --secret-key="$secret" --caps='user-policy=*'
  ceph_program radosgw-admin user create --uid="$other_user" --display-name="$other_user" --access-key="$other_key" --secret-key="$other_secret"
  ceph_program radosgw -n client.rgw
  for ((tries = 0; tries < 300; tries++)); do ! answers || break; sleep 0.1; done
  answers
  echo "export S3_ENDPOINT=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$secret"
  echo "export S3_TEST_OTHER_USER=$other_user S3_TEST_OTHER_ACCESS_KEY_ID=$other_key S3_TEST_OTHER_SECRET_ACCESS_KEY=$other_secret"
}

stop () {
  for name in client.rgw osd.0 mon.a; do
    is_ours "$name" || continue
    kill "$(<"$dir/$name.pid")"
    for ((tries = 0; tries < 100; tries++)); do is_ours "$name" || continue 2; sleep 0.1; done
    kill -9 "$(<"$dir/$name.pid")"
  done
  [[ ! -e $dir/ceph.conf ]] || rm -r "$dir"
}

case ${1:-} in
  start) set -E; start ;;
  stop) stop ;;
  *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
