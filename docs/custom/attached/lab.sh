# A cluster that runs already: three Redis, each in a network namespace of its own, n1 the primary at first. It is there as long as the
# command that is given:
#
#     unshare -Urn sh lab.sh COMMAND ...
#
# Every node has two networks: 10.1.0.N for clients, 10.2.0.N for the other nodes. On n2 there is a failover of the kind that many
# have written: when n1 has not answered it three times (or MISSES times), n2 becomes the primary. Where the programs of Redis are
# not on the PATH, put the directory that has them there.
set -eu
LAB=$(mktemp -d)
export LAB
nodes="1 2 3"
pids=

end() {
    for pid in $pids; do kill -9 "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$LAB"
}
trap end EXIT
trap 'exit 1' INT TERM

inside() { # a command in the namespace of a node
    of=$(cat "$LAB/n$1.pid")
    shift
    nsenter -t "$of" -n "$@"
}

ip link set lo up
ip link add clients type bridge
ip link add peers type bridge
ip addr add 10.1.0.254/24 dev clients
ip link set clients up
ip link set peers up

for n in $nodes; do
    unshare -n sleep 1000000 &
    pid=$!
    pids="$pids $pid"
    echo "$pid" > "$LAB/n$n.pid"
    while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    ip link add "client$n" type veth peer name client netns "$pid"
    ip link add "peer$n" type veth peer name peer netns "$pid"
    ip link set "client$n" master clients up
    ip link set "peer$n" master peers up
    inside "$n" ip link set lo up
    inside "$n" ip addr add "10.1.0.$n/24" dev client
    inside "$n" ip addr add "10.2.0.$n/24" dev peer
    inside "$n" ip link set client up
    inside "$n" ip link set peer up

    mkdir "$LAB/n$n"
    cat > "$LAB/n$n/redis.conf" <<END
bind 0.0.0.0
protected-mode no
dir $LAB/n$n
logfile redis.log
save ""
repl-diskless-sync-delay 0
END
    [ "$n" = 1 ] || echo "replicaof 10.2.0.1 6379" >> "$LAB/n$n/redis.conf"
    nsenter -t "$pid" -n redis-server "$LAB/n$n/redis.conf" &
    pids="$pids $!"
done

until inside 1 redis-cli info replication 2>/dev/null | grep -c state=online | grep -q 2; do sleep 0.1; done

# Told to n2 as a script, so that it is one process there.
cat > "$LAB/failover.sh" <<'END'
missed=0
while [ "$missed" -lt "${MISSES:-3}" ]; do
    sleep 0.2
    if timeout 1 redis-cli -h 10.2.0.1 ping 2>/dev/null | grep -q PONG; then missed=0; else missed=$((missed + 1)); fi
done
redis-cli replicaof no one
redis-cli -h 10.2.0.3 replicaof 10.2.0.2 6379
END
nsenter -t "$(cat "$LAB/n2.pid")" -n sh "$LAB/failover.sh" > "$LAB/failover.log" 2>&1 &
pids="$pids $!"

"$@"
