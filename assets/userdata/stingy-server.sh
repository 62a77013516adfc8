#!/bin/bash
# Makes this machine the WireGuard server that /etc/stingy/server.env describes. May run again at any time.
set -Eeuo pipefail
umask 077
log() { echo "stingy-server: ${*//$'\n'/ }"; }
die() { log "error: $*" >&2; exit 1; }
trap 'log "error: line $LINENO ended with status $?" >&2' ERR

# shellcheck source=/dev/null
source /etc/stingy/server.env
: "${ENVIRONMENT:?}" "${SITE:?}" "${STORE_PREFIX:?}" "${LISTEN_PORT:?}" "${TUNNEL_IPV4:?}" "${TUNNEL_IPV6?}" "${MTU:?}"
for tool in aws chronyc curl ip jq nft wg; do command -v "$tool" >/dev/null || die "$tool is not installed"; done
# On tmpfs, so that a private key in a working file never reaches the disk.
work=$(mktemp -d /run/stingy-server.XXXXXX)
trap 'rm -rf "$work"' EXIT

# The token goes through standard input, because everyone on the machine can read a command line.
imds() { curl --silent --fail --max-time 5 --retry 5 --retry-connrefused "$@"; }
metadata() { imds -H @- "http://169.254.169.254/latest/meta-data/$1" <<<"X-aws-ec2-metadata-token: $token"; }
token=$(imds -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 600' http://169.254.169.254/latest/api/token) || token=''
[[ $token =~ ^[A-Za-z0-9+/=_-]+$ ]] || die "the instance metadata service gives no token"
region=$(metadata placement/region) || region=''
[[ $region =~ ^[a-z]{2}(-[a-z]+)+-[0-9]+$ ]] || die "the instance metadata service gives no region, but '${region:0:40}'"
instance=$(metadata instance-id) || instance=''
[[ $instance =~ ^i-[0-9a-f]+$ ]] || die "the instance metadata service gives no instance id, but '${instance:0:40}'"
log "instance $instance in $region, site $SITE of $ENVIRONMENT"

export AWS_DEFAULT_REGION=$region AWS_PAGER='' AWS_METADATA_SERVICE_TIMEOUT=5 AWS_METADATA_SERVICE_NUM_ATTEMPTS=3
# A small machine needs several seconds only to start the CLI.
call_aws() { timeout 180 aws --cli-connect-timeout 10 --cli-read-timeout 20 "$@"; }

interface=$(ip -o route show default | awk '{ for (i = 1; i < NF; i++) if ($i == "dev") { print $(i + 1); exit } }')
[[ $interface =~ ^[A-Za-z0-9_.-]+$ ]] || die "there is no default route"
sysctl -q -w net.ipv4.ip_forward=1
if [[ $TUNNEL_IPV6 ]]; then
  # With forwarding on, the kernel obeys router advertisements only if accept_ra is 2. Where it is 0, networkd does so instead.
  [[ $(sysctl -n "net/ipv6/conf/$interface/accept_ra") != 1 ]] || sysctl -q -w "net/ipv6/conf/$interface/accept_ra=2"
  sysctl -q -w net.ipv6.conf.all.forwarding=1
fi
log "forwards IPv4${TUNNEL_IPV6:+ and IPv6}; the default route goes through $interface"
# Peers refuse a handshake stamped earlier than the last one they saw from this key, so a slow clock must not start WireGuard.
timeout 150 chronyc waitsync 60 0.5 0 2 >/dev/null || die "the clock is not in sync"
log "the clock is in sync"
# Declaring the table before deleting it lets one transaction replace it whether or not it exists.
# Stray TCP is dropped, never reset: sessions begun on a predecessor live on. Without IPv6 the rules name ::, nobody's source.
nft -f - <<RULES
table inet stingy
delete table inet stingy
table inet stingy {
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    udp dport $LISTEN_PORT accept
    tcp dport 22 accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp sport . udp dport { 67 . 68, 547 . 546 } accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "wg0" ip daddr 169.254.169.254 drop
    iifname "wg0" ip6 daddr fd00:ec2::254 drop
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    ct state established,related accept
    iifname "wg0" oifname "$interface" ip saddr $TUNNEL_IPV4 accept
    iifname "wg0" oifname "$interface" ip6 saddr ${TUNNEL_IPV6:-::} accept
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "$interface" ip saddr $TUNNEL_IPV4 masquerade
    oifname "$interface" ip6 saddr ${TUNNEL_IPV6:-::} masquerade
  }
}
RULES
log "firewall loaded: $TUNNEL_IPV4${TUNNEL_IPV6:+ and $TUNNEL_IPV6} leave through $interface"

read_store() {
  store=$(call_aws ssm get-parameters --with-decryption --output json --names \
    "$STORE_PREFIX"/{wireguard-config,wireguard-private-key,client-public-keys}) || die "cannot read the store at $STORE_PREFIX"
  jq -e 'has("Parameters")' >/dev/null 2>&1 <<<"$store" || die "the store at $STORE_PREFIX answered with nonsense"
}
stored() { jq -r --arg name "$STORE_PREFIX/$1" '.Parameters[] | select(.Name == $name).Value' <<<"$store"; }
# The address so many after the given one; no success when the subnet has no such host.
nth_ipv4() {
  local a b c d number size=$((1 << (32 - ${1#*/})))
  IFS=. read -r a b c d <<<"${1%/*}"
  number=$(((a << 24) + (b << 16) + (c << 8) + d + $2))
  ((number % size > $2 && number % size < size - 1)) &&
    printf '%d.%d.%d.%d' $((number >> 24)) $((number >> 16 & 255)) $((number >> 8 & 255)) $((number & 255))
}
nth_ipv6() {
  ((16#0${1##*:} + $2 <= 16#ffff)) && printf '%s:%x' "${1%:*}" $((16#0${1##*:} + $2))
}
write_config() {
  local count=0 ipv4 ipv6 key keys
  printf '[Interface]\nPrivateKey = %s\nListenPort = %s\nMTU = %s\nAddress = %s\n' \
    "$(stored wireguard-private-key)" "$LISTEN_PORT" "$MTU" "$TUNNEL_IPV4${TUNNEL_IPV6:+, $TUNNEL_IPV6}"
  IFS=, read -r -a keys <<<"$(stored client-public-keys)"
  for key in "${keys[@]//[[:space:]]/}"; do
    count=$((count + 1))
    if wg pubkey <<<"$key" >/dev/null 2>&1 && ipv4=$(nth_ipv4 "$TUNNEL_IPV4" $count) &&
      ipv6=$([[ -z $TUNNEL_IPV6 ]] || nth_ipv6 "${TUNNEL_IPV6%/*}" $count); then
      printf '\n[Peer]\nPublicKey = %s\nAllowedIPs = %s\n' "$key" "$ipv4/32${ipv6:+, $ipv6/128}"
    else
      log "client-public-keys: entry $count is no WireGuard key or has no address left, skipped" >&2
    fi
  done
}
read_store
stored wireguard-config >"$work/wg0.conf"
if [[ -s $work/wg0.conf ]]; then
  log "wireguard-config is in the store and is used as it is"
else
  if [[ -z $(stored wireguard-private-key) ]]; then
    # Create-only, then read again: servers racing for the first key all end with the one that was stored.
    wg genkey | jq -R --arg name "$STORE_PREFIX/wireguard-private-key" \
      '{Name: $name, Type: "SecureString", Value: ., Overwrite: false}' >"$work/parameter"
    if call_aws ssm put-parameter --cli-input-json "file://$work/parameter" >/dev/null 2>"$work/error"; then
      log "the store had no wireguard-private-key: made and stored one"
    else
      grep -q ParameterAlreadyExists "$work/error" || die "cannot store wireguard-private-key: $(<"$work/error")"
      log "another server stored a wireguard-private-key first: using that one"
    fi
    read_store
  fi
  stored wireguard-private-key | wg pubkey >/dev/null 2>&1 || die "wireguard-private-key in the store is no WireGuard key"
  write_config >"$work/wg0.conf"
  log "made a configuration of wireguard-private-key and client-public-keys"
fi
wg-quick strip "$work/wg0.conf" >"$work/wg0.stripped" || die "wg-quick cannot read the configuration"
install -D -m 0600 "$work/wg0.conf" /etc/wireguard/wg0.conf
if ip link show wg0 >/dev/null 2>&1; then
  # Unlike down and up, this keeps every other peer's session.
  wg syncconf wg0 "$work/wg0.stripped" || die "wg0 refuses the configuration"
  log "wg0 was up: its keys and peers are in step with the store"
else
  timeout 60 wg-quick up wg0 >"$work/error" 2>&1 || die "wg-quick up wg0: $(<"$work/error")"
  log "wg0 is up"
fi
port=$(wg show wg0 listen-port)
[[ $port == "$LISTEN_PORT" ]] || die "wg0 listens on udp/$port, but the firewall lets udp/$LISTEN_PORT in"
[[ $(wg show wg0 public-key) != '(none)' ]] || die "wg0 has no private key"
log "verified: wg0 listens on udp/$port as $(wg show wg0 public-key) with $(wg show wg0 peers | wc -l) peers"
call_aws ec2 create-tags --resources "$instance" --tags Key=state,Value=ready || die "cannot tag $instance"
log "tagged $instance state=ready"
jq -n --arg environment "$ENVIRONMENT" --arg site "$SITE" --arg instance "$instance" '{Entries: [{Source: "stingy-vpn",
  DetailType: "Server Ready", Detail: {$environment, $site, "instance-id": $instance} | tojson}]}' >"$work/event"
[[ $(call_aws events put-events --cli-input-json "file://$work/event" --query FailedEntryCount --output text) == 0 ]] ||
  die "EventBridge did not take the event Server Ready"
log "sent the event Server Ready"
