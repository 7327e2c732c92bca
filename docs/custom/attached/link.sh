# What the user of lab.sh does to a node, as commands:
#
#     sh link.sh cut N | heal N | is-cut N
#
# `cut` takes node N off the network of the nodes, where clients still reach it, and returns when the others have a primary. `heal`
# puts it back, lets it follow that primary, and returns when all do. `is-cut` lets the node itself look for the others.
set -eu
what=$1
node=$2

roles() { # of these nodes, by the network of clients, a line for each role and each link that is up
    for n in "$@"; do
        timeout 2 redis-cli -h "10.1.0.$n" info replication 2>/dev/null | tr -d '\r' | sed -n "s/^\(role:master\|master_link_status:up\)$/n$n \1/p"
    done
}

primary() { # the number of the primary among these nodes; nothing if there is none
    roles "$@" | sed -n 's/^n\(.\) role:master$/\1/p' | head -n 1
}

case $node in
    1) others="2 3" ;;
    2) others="1 3" ;;
    3) others="1 2" ;;
esac

# shellcheck disable=SC2086
case $what in
cut)
    ip link set "peer$node" down
    until [ -n "$(primary $others)" ]; do sleep 0.1; done
    ;;
heal)
    ip link set "peer$node" up
    new=$(primary $others)
    [ -z "$new" ] || redis-cli -h "10.1.0.$node" replicaof "10.2.0.$new" 6379
    until [ "$(roles 1 2 3 | grep -c master)" = 3 ]; do sleep 0.1; done
    ;;
is-cut)
    for n in $others; do
        if nsenter -t "$(cat "$LAB/n$node.pid")" -n timeout 2 redis-cli -h "10.2.0.$n" ping 2>/dev/null | grep -q PONG; then
            echo "n$node reaches n$n"
            exit 1
        fi
    done
    echo "n$node reaches none of the others"
    ;;
esac
