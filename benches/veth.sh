# The veth demonstration of `nslearn lesson net`, as people do it by hand with ip-netns(8). It stands on a stage too:
# a user namespace, so that it needs no root, and a PID namespace, so that process 1 is this script:
#
#   unshare --user --map-root-user --net --mount --pid --fork --mount-proc sh -e benches/veth.sh
#
# The ports, the firewall table and the Unix sockets of the lesson are left out: they are not about the cable.

mount -t tmpfs run /run # ip netns keeps its names there

# A network with nothing in it
ip link set lo up
ip addr
ip netns add web1
ip netns exec web1 ip addr
ip netns exec web1 ip route

# Up goes the loopback
ip netns exec web1 ip link set lo up
ip netns exec web1 ip addr

# A cable between two networks
ip netns add web2
ip link add v1 type veth peer name v2
ip link set v1 netns web1
ip addr
ip link set v2 netns web2
ip addr
ip netns exec web1 ip addr add 10.1.1.1/24 dev v1
ip netns exec web2 ip addr add 10.1.1.2/24 dev v2
ip netns exec web1 ip link set v1 up
ip netns exec web2 ip link set v2 up
ip netns exec web2 ip addr
ip netns exec web1 ip route
if command -v ping; then
    ip netns exec web1 ping -c 1 10.1.1.2
else
    ip netns exec web1 bash -c 'echo hello >/dev/udp/10.1.1.2/9'
    ip netns exec web2 ip -s link show v2
fi

# There and back again
ip netns exec web2 ip link set v2 netns 1
ip addr
ip netns exec web1 ip link set lo netns 1 && exit 1 # the kernel refuses it

# The end of a cable
ip netns del web1
while ip link show v2; do :; done # the kernel takes its time
ip addr
