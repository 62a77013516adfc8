# Makes of the store's parameters what wg0 and its firewall are to be. A bad peer is left out and named, without its keys.
# $parameters: GetParameters' answer; $peers: those of GetParametersByPath; $prefix, $ipv4, $ipv6, $port, $mtu, $group: settings.
def is_key: type == "string" and test("^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\\z");
def trim: gsub("^\\s+|\\s+$"; "");
def number($base): reduce explode[] as $c (0; . * $base + (if $c > 96 then $c - 87 else $c - 48 end));
def hex: if . < 16 then "0123456789abcdef"[.:. + 1] else (. / 16 | floor | hex) + (. % 16 | hex) end;
def bits($size): reduce range($size) as $_ ([., ""]; [(.[0] / 2 | floor), "\(.[0] % 2)\(.[1])"]) | .[1];

# "10.8.0.2/24" -> {host: "10.8.0.2", prefix: 24, size: 32, bits: "00001010…"}; nothing for what is no address.
def network:
  strings | trim | ascii_downcase | capture("^(?<host>[0-9a-f:.]+)(/(?<prefix>[0-9]{1,3}))?$")
  | .bits = ([.host
      | if test("^(0|[1-9][0-9]{0,2})([.](0|[1-9][0-9]{0,2})){3}$") then [splits("[.]") | tonumber | select(. < 256) | bits(8)] | select(length == 4)
        elif test("^[0-9a-f:]+$") and (test(":::|::.*::|^:[^:]|[^:]:$|[^:]{5}") | not) then
          [splits(":") | select(. != "")] as $given
          | sub("::"; ":\([range(8 - ($given | length)) | "0:"] | add // "no:")")
          | [splits(":") | select(. != "") | number(16) | bits(16)] | select(length == 8)
        else empty end] | .[0] // [] | add // "")
  | .size = (.bits | length) | .prefix = (.prefix // .size | tonumber) | select(.size > 0 and .prefix <= .size);
def within($networks): . as $inner
  | any($networks[]; .size == $inner.size and .prefix <= $inner.prefix and .bits[:.prefix] == $inner.bits[:.prefix]);
# The server's own address, and the two of an IPv4 network that are nobody's.
def reserved($own): .bits as $bits
  | any($own[]; .bits == $bits or (.size == 32 and ($bits | length) == 32 and .prefix < 31 and ($bits[.prefix:] | test("^(0+|1+)$"))));
def cidr: "\(.host)/\(.prefix)";
# Where it begins, as ip takes no route to 10.8.0.2/24.
def start:
  (.bits[:.prefix] + "0" * (.size - .prefix)) as $bits
  | (if .size == 32 then [range(0; 32; 8) as $at | $bits[$at:$at + 8] | number(2) | tostring] | join(".")
    else [range(0; 128; 16) as $at | $bits[$at:$at + 16] | number(2) | hex] | join(":") end) + "/\(.prefix)";
# The address so many after the server's.
def after($n):
  if .size == 32 then .host | [splits("[.]") | tonumber] | (.[2] * 256 + .[3] + $n) as $last | "\(.[0]).\(.[1]).\($last / 256 | floor).\($last % 256)"
  else .host | capture("^(?<head>.*:)(?<last>[^:]*)$") | "\(.head)\(.last | number(16) + $n | hex)" end;

# {name, value} -> {name, publicKey, …, allowed: [network]}, or {name, reason} for a peer that cannot be. $free: written by hand.
def checked($own; $free):
  . as {$name, $value}
  # Without IPv6 in the tunnel, a peer's IPv6 address has no use and does no harm.
  | [$value | objects | .addresses[]? | [network][0] // tostring | select(type == "string" or .size == 32 or $ipv6 != "")] as $allowed
  | [$allowed[] | select(type == "string" or ($free | not) and (.prefix < .size or (within($own) | not) or reserved($own)))
      | if type == "string" then . else cidr end] as $bad
  | ($value.group? // $group) as $in | ($value.keepalive? // 0) as $keepalive
  | if $value | type != "object" then {$name, reason: "it is no JSON object"}
    elif $value.publicKey | is_key | not then {$name, reason: "publicKey is no WireGuard key"}
    elif $value.presharedKey // "" | . != "" and (is_key | not) then {$name, reason: "presharedKey is no WireGuard key"}
    elif $bad != [] or $allowed == [] then {$name, reason: "\($bad[0] // "nothing" | .[:50]) is no address for a peer in this tunnel"}
    elif ["full", "internet", "isolated"] | index([$in]) == null then {$name, reason: "group is none of full, internet, isolated"}
    elif $keepalive | type != "number" or . < 0 or . > 65535 or . != floor then {$name, reason: "keepalive is no number of seconds"}
    # With its zeros: of a peer that is there, wg leaves what it is not told.
    else {$name, publicKey: $value.publicKey, group: $in, $keepalive, $allowed,
      text: ("[Peer]\nPublicKey = \($value.publicKey)\nAllowedIPs = \([$allowed[] | cidr] | join(", "))\n"
        + ({PresharedKey: ($value.presharedKey // "" | select(. != "") // "A" * 43 + "="), Endpoint: ($value.endpoint // ""), PersistentKeepalive: $keepalive}
          | to_entries | map(select(.value != "") | "\(.key) = \(.value)\n") | join("")))} end;
# Of two with one key or address, the later is left out: WireGuard would silently take it from the earlier.
def without_clashes:
  reduce .[] as $peer ({good: [], bad: [], owner: {}};
    [$peer | .publicKey // empty, (.allowed[]? | "\(.size)/\(.bits[:.prefix])")] as $things
    | ([.owner[$things[]] // empty][0]) as $owner
    | if $peer.reason then .bad += [$peer | {name, reason}]
      elif $owner then .bad += [{name: $peer.name, reason: "its key or address is that of \($owner)"}]
      else .good += [$peer] | reduce $things[] as $thing (.; .owner[$thing] = $peer.name) end);

def elements($set): (32, 128) as $size | "\($set)\(if $size == 32 then 4 else 6 end)" as $name
  | "flush set inet stingy \($name)\n" + ([.[] | select(.size == $size) | cidr] | if . == [] then "" else "add element inet stingy \($name) { \(join(", ")) }\n" end);
# {origin, key, addresses: [network], mtu, ignored: [what]} and checked peers -> all that is to be.
def configuration($checked):
  .addresses as $own | ($checked | without_clashes) as {$good, $bad}
  # What peers bring beside the tunnel's own range; never half of everything or more, as the default route is the way to the peers themselves.
  | [$good[].allowed[] | select(.prefix > 7 and (within($own) | not))] as $beyond
  | { origin, mtu, key, links: ([($own[] | "address \(cidr)"), ($beyond[] | "route \(start)")] | join("\n")), count: ($good | length),
      wg: ("[Interface]\nPrivateKey = \(.key)\nListenPort = \($port)\n" + ([$good[].text] | join(""))),
      nft: ([("full", "internet", "isolated") as $set | [$good[] | select(.group == $set).allowed[]] | elements($set)] + [$own + $beyond | elements("tunnel")] | join("")),
      peers: [$good[] | {name, publicKey, keepalive, text}],
      problems: ($bad + [.ignored[]? | {name: "wireguard-config", reason: "\(.) is not used here"}]) }
  | .skipped = (.problems | length);

# A wg0.conf as people write it: [{section, KEY: [value, …]}], in small letters.
def sections:
  reduce (splits("\n") | sub("#.*"; "") | trim | select(. != "")) as $line ([{}];
    if $line | test("^\\[.*\\]$") then . + [{section: $line | ascii_downcase}]
    else ($line | capture("^(?<key>[^=]*)=?(?<value>.*)$")) as $entry | .[-1][$entry.key | trim | ascii_downcase] += [$entry.value | trim] end);
def by_hand:
  [sections[] | select(.section == "[interface]")] as $interfaces | ($interfaces[0] // {}) as $interface
  | [$interface.address[]? | splits(",") | network | select(.size == 32 or $ipv6 != "")] as $own
  | if $interface.privatekey[-1]? | is_key | not then {refused: "wireguard-config has no PrivateKey that is a WireGuard key"}
    elif $own == [] then {refused: "wireguard-config has no Address"}
    else [sections[] | select(.section == "[peer]")] as $peers
      | { origin: "wireguard-config", key: $interface.privatekey[-1], addresses: $own,
          mtu: (($interface.mtu[-1]? // "" | select(test("^[0-9]{3,4}$"))) // $mtu | tonumber),
          ignored: [$interface | del(.section, .privatekey, .address, .mtu) | to_entries[] | select(.key != "listenport" or .value != [$port]) | .key] }
      | configuration([$peers | to_entries[] | {name: "wireguard-config, peer \(.key + 1)", value: (.value | {
          publicKey: .publickey[-1]?, presharedKey: .presharedkey[-1]?, addresses: [.allowedips[]? | splits(",")],
          endpoint: (.endpoint[-1]? // "" | select(test("^([0-9.]+|\\[[0-9a-fA-F:]+\\]):[0-9]{1,5}$") and ([gsub("\\[|\\]|:[0-9]+$"; "") | network] != [])) // ""),
          keepalive: (.persistentkeepalive[-1]? // "off" | if . == "off" then 0 else tonumber? // . end)})} | checked($own; true)])
    end;

([$parameters[0].Parameters[] | {key: .Name[($prefix | length) + 1:], value: (.Value | trim)}] | from_entries) as $stored
| if ($stored["wireguard-config"] // "") != "" then $stored["wireguard-config"] | by_hand
  elif ($stored["wireguard-private-key"] // "") == "" then {missing: "wireguard-private-key"}
  elif $stored["wireguard-private-key"] | is_key | not then {refused: "wireguard-private-key is no WireGuard key"}
  else [$ipv4, $ipv6 | network] as $own
    | {origin: "peers", key: $stored["wireguard-private-key"], addresses: $own, mtu: ($mtu | tonumber)}
    | configuration([
        ([$peers[].Parameters[]] | sort_by(.Name)[] | {name: .Name[($prefix | length) + 7:], value: (.Value | try fromjson catch null)}),
        ([$stored["client-public-keys"] // "" | splits(",") | trim] | to_entries[] | .key as $n | select(.value != "")
          | {name: "client-public-keys, key \($n + 1)", value: {publicKey: .value, addresses: [$own[] | after($n + 1)]}})
        | checked($own; false)])
  end
