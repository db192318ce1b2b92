#!/usr/bin/env bash
# kubernetes-node.sh up|down NAME DIR BINARIES IMAGES.tar: a Kubernetes node, node1, with its control plane, in a network namespace NAME of its
# own; files and logs in DIR, binaries of build-kubernetes.sh. `up` returns when the node is ready (half a minute), `down` leaves nothing behind.
# From within the namespace: https://10.99.0.1:6443 by DIR/kubeconfig; containerd listens on /run/NAME/containerd.sock.
set -euo pipefail
action=$1 name=$2
mkdir -p "$3"
dir=$(readlink -f "$3") bin=$(readlink -f "$4") images=$(readlink -f "$5")
address=10.99.0.1 socket=/run/$name/containerd.sock
parts="kubelet scheduler controller-manager api-server etcd"
cd "$dir"

# Not `ip netns exec`: that hides the cgroups.
inside() { nsenter --net="/run/netns/$name" "$@"; }

start() {
    local part=$1
    shift
    setsid nsenter --net="/run/netns/$name" "$@" >"$part.log" 2>&1 &
    echo $! >"$part.pid"
}

end() {
    local pid
    pid=$(cat "$1.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do [ -d "/proc/$pid" ] || return 0; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
}

down() {
    set +e
    for part in $parts; do end "$part"; done
    export CONTAINERD_ADDRESS=$socket
    for id in $(timeout 10 ctr -n k8s.io tasks ls -q); do timeout 5 ctr -n k8s.io tasks kill -s KILL "$id"; done
    sleep 1
    for id in $(timeout 10 ctr -n k8s.io containers ls -q); do
        timeout 5 ctr -n k8s.io containers info "$id" | jq -r '.Spec.linux.namespaces[]? | select(.type == "network") | .path // empty' >>networks
        timeout 5 ctr -n k8s.io tasks rm -f "$id"
        timeout 5 ctr -n k8s.io containers rm "$id"
    done
    end containerd
    # Pods' namespaces, volumes and root file systems.
    awk -v a="$dir/" -v b="/run/$name/" 'index($2, a) == 1 || index($2, b) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
    sed 's,^/var/run/,/run/,' networks | sort -u | grep '^/run/netns/cni-' | while read -r network; do umount -l "$network" && rm -f "$network"; done
    ip netns del "$name"
    find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} \;
    sysctl -qp sysctl.saved
    rm -rf "/run/$name"
} >>down.log 2>&1

if [ "$action" = down ]; then
    down
    exit 0
fi

# The kubelet changes these, for the whole machine.
for key in vm.overcommit_memory kernel.panic kernel.panic_on_oops; do echo "$key = $(sysctl -n $key)"; done >sysctl.saved
ip netns add "$name"
inside ip link set lo up
inside ip link add br0 type bridge
inside ip addr add "$address/24" dev br0
inside ip link set br0 up
# The control plane wants to know which address is its own.
inside ip route add default via 10.99.0.254

mkdir -p cni
cat >cni/10-pods.conflist <<'EOF'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]]}}]}
EOF
cat >containerd.toml <<EOF
version = 2
root = "$dir/containerd"
state = "/run/$name"
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
EOF
start containerd containerd -c containerd.toml

start etcd etcd --data-dir etcd --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
openssl genrsa -out sa.key 2048 2>/dev/null
echo 'admintoken,admin,1,"system:masters"' >tokens.csv
start api-server "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --advertise-address=$address --secure-port=6443 \
    --cert-dir=pki --service-cluster-ip-range=10.96.0.0/16 --token-auth-file=tokens.csv --authorization-mode=RBAC --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file=sa.key --service-account-key-file=sa.key \
    --kubelet-preferred-address-types=InternalIP
cat >kubeconfig <<EOF
{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
 "clusters": [{"name": "c", "cluster": {"server": "https://$address:6443", "certificate-authority": "$dir/pki/apiserver.crt"}}],
 "users": [{"name": "u", "user": {"token": "admintoken"}}]}
EOF
ask() { inside curl -sk --max-time 5 -H 'Authorization: Bearer admintoken' "https://$address:6443$1"; }
for _ in $(seq 300); do [ "$(ask /readyz)" = ok ] && break; sleep 0.2; done

start controller-manager "$bin/kube-controller-manager" --kubeconfig=kubeconfig --service-account-private-key-file=sa.key \
    --root-ca-file=pki/apiserver.crt --bind-address=127.0.0.1 --port=0 --leader-elect=false
start scheduler "$bin/kube-scheduler" --kubeconfig=kubeconfig --bind-address=127.0.0.1 --port=0 --leader-elect=false
for _ in $(seq 50); do ctr -a "$socket" version >/dev/null 2>&1 && break; sleep 0.2; done
ctr -a "$socket" -n k8s.io images import "$images" >/dev/null
cat >kubelet.json <<EOF
{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": "$address", "readOnlyPort": 0,
 "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}}, "authorization": {"mode": "AlwaysAllow"},
 "cgroupDriver": "cgroupfs", "failSwapOn": false, "enforceNodeAllocatable": [], "evictionHard": {"memory.available": "1Mi"},
 "imageGCHighThresholdPercent": 100, "oomScoreAdj": 0}
EOF
start kubelet "$bin/kubelet" --config=kubelet.json --kubeconfig=kubeconfig --container-runtime=remote --root-dir="$dir/kubelet" \
    --container-runtime-endpoint="unix://$socket" --hostname-override=node1 --node-ip=$address --pod-infra-container-image=localhost/pause:1
for _ in $(seq 120); do
    ask /api/v1/nodes/node1 | jq -e '.status.conditions[]? | select(.type == "Ready" and .status == "True")' >/dev/null 2>&1 && exit 0
    sleep 0.5
done
echo "the node is not ready, see $dir" >&2
exit 1
