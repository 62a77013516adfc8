# shellcheck shell=bash
# What the scripts share: settings, log, metadata service, AWS, and what this machine says of itself.
set -Eeuo pipefail
umask 077
export LC_ALL=C
name=${0##*/}
run=/run/stingy

# log LEVEL EVENT [KEY VALUE]...: one line a decision. journald takes the priority from the prefix.
log() {
  local level=6 line="level=$1 event=$2" value
  case $1 in error) level=3 ;; warning) level=4 ;; esac
  shift 2
  while (($#)); do
    value=${2//[^[:print:]]/ } value=${value//\\/\\\\} value=${value//\"/\\\"}
    line+=" $1=\"${value:0:400}\""
    shift 2
  done
  printf '%s%s: %s\n' "${JOURNAL_STREAM+<$level>}" "$name" "$line" >&2
}
die() { log error "$@"; exit 1; }
trap 'log error unexpected line "$LINENO" status "$?"' ERR

# The working files are on a tmpfs: secrets in them never reach the disk.
work=$run/$name.$$
mkdir -p "$work" 2>/dev/null || die no-working-directory path "$run"
# Those of runs that were killed.
for old in "$run/$name".[0-9]*; do [[ -e /proc/${old##*.} ]] || rm -rf "$old"; done
failures=0 calls=0
[[ ! -s $run/$name.failures ]] || read -r failures <"$run/$name.failures" || true
finish() {
  local status=$?
  rm -rf "$work"
  if ((status)); then echo "$((failures + 1))" >"$run/$name.failures" || true; else rm -f "$run/$name.failures"; fi
}
trap finish EXIT
# Being stopped is no failure.
trap 'exit 0' TERM INT

# Waits without starting a process.
exec {never}<> <(:)
pause() { read -rt "$1" -u "$never" || true; }
# Run by systemd after failures, waits twice as long each time. backoff LONGEST
backoff() {
  local seconds=$((5 << (failures > 6 ? 6 : failures) >> 1))
  [[ ${INVOCATION_ID-} ]] && ((failures > 0)) || return 0
  ((seconds <= $1)) || seconds=$1
  log info backoff failures "$failures" seconds "$seconds"
  pause "$seconds"
}
need() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || die missing-dependency tool "$tool"; done
}
# Sets $interface, which the default route goes through.
find_interface() {
  [[ $(ip -o route show default) =~ \ dev\ ([A-Za-z0-9_.-]+) ]] || die no-default-route
  export interface=${BASH_REMATCH[1]}
}
# count_packets COUNTER: sets $packets to what the firewall has counted so far. Without an answer it stays as it was.
count_packets() { [[ ! $(nft list counter inet stingy "$1" 2>/dev/null) =~ packets\ ([0-9]+) ]] || export packets=${BASH_REMATCH[1]}; }
# Writes standard input as a whole or not at all. Several scripts may write one file.
replace() { cat >"$1.new.$$" && mv -f "$1.new.$$" "$1"; }

settings=/etc/stingy/server.env
set -a
# shellcheck source=/dev/null
source "$settings" 2>/dev/null || die unreadable file "$settings"
set +a
: "${TUNNEL_IPV4=}" "${TUNNEL_IPV6=}" "${ADDRESS=}"
for setting in ENVIRONMENT SITE STORE_PREFIX LISTEN_PORT TUNNEL_IPV4 MTU DEFAULT_GROUP; do
  [[ ${!setting-} ]] || die missing-setting setting "$setting" file "$settings"
done

metadata=http://169.254.169.254/latest
imds_token() {
  local expiry=0
  token=''
  [[ ! -s $run/imds-token ]] || read -r expiry token <"$run/imds-token" || true
  ((EPOCHSECONDS < expiry - 300)) && [[ $token ]] && return
  token=$(curl --silent --fail --max-time 5 --retry 3 --retry-connrefused --noproxy '*' -X PUT \
    -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600' "$metadata/api/token") || token=''
  [[ $token =~ ^[A-Za-z0-9+/=_-]+$ ]] || { token='' && return 1; }
  echo "$((EPOCHSECONDS + 21600)) $token" | replace "$run/imds-token"
}
# imds PATH: leaves what the metadata service says in $answer. Status 4: it says that there is no such thing.
imds() {
  local attempt status
  answer=''
  for attempt in 1 2; do
    imds_token || return 1
    # Through standard input, because everyone on the machine can read a command line.
    status=$(curl --silent --max-time 3 --noproxy '*' --output "$work/imds" --write-out '%{http_code}' -H @- \
      "$metadata/$1" <<<"X-aws-ec2-metadata-token: $token") || continue
    case $status in
      200) answer=$(<"$work/imds") && return ;;
      401) rm -f "$run/imds-token" ;;
      404) return 4 ;;
      *) return 1 ;;
    esac
  done
  return 1
}
# Sets $region, $domain and $instance, which never change while the machine runs.
identify() {
  local path pattern found=''
  if [[ ! -s $run/identity ]]; then
    while read -r path pattern; do
      imds "meta-data/$path" || true
      [[ $answer =~ ^$pattern$ ]] || { problem="the metadata service gives no $path, but '${answer:0:60}'" && return 1; }
      found+="$answer "
    done <<<$'placement/region [a-z]{2}(-[a-z]+)+-[0-9]+\nservices/domain [a-z0-9.-]+\ninstance-id i-[0-9a-f]+'
    replace "$run/identity" <<<"$found"
  fi
  read -r region domain instance <"$run/identity"
  export region domain instance
}

# Sets $access, $secret and $session.
credentials() {
  local expiry=0
  [[ ! -s $run/credentials ]] || read -r expiry access secret session <"$run/credentials" || true
  ((EPOCHSECONDS >= expiry - 300)) || return 0
  problem='the metadata service gives no credentials'
  imds meta-data/iam/security-credentials/ && imds "meta-data/iam/security-credentials/${answer%%$'\n'*}" &&
    answer=$(jq -er '[(.Expiration | fromdate), .AccessKeyId, .SecretAccessKey, .Token] | join(" ")' "$work/imds" 2>/dev/null) &&
    read -r expiry access secret session <<<"$answer" && [[ $session ]] && replace "$run/credentials" <<<"$answer"
}
# aws_call SERVICE EXPECTED [CURL OPTION]...: posts $work/body. The answer, which must match EXPECTED, is then in
# $answer; otherwise $problem says why. Tries $attempts times, or three. curl signs: a process of the AWS CLI takes 50 times as long and 60 MB.
aws_call() {
  local service=$1 expected=$2 attempt status code trust
  shift 2
  for ((attempt = 1; attempt <= ${attempts-3}; attempt++)); do
    ((attempt == 1)) || pause "$((attempt * attempt - 3)).$((RANDOM % 10))"
    answer='' code=''
    credentials || continue
    : >"$work/answer"
    calls=$((calls + 1))
    # Reading all authorities takes most of a call's time. The last certificate of a chain that they have verified does for the next calls.
    trust=(--write-out '%{http_code} %{certs}')
    [[ ! -s $run/$service.pem ]] || trust=(--write-out '%{http_code}' --cacert "$run/$service.pem")
    status=$(curl --config - --silent --connect-timeout 5 --max-time 20 --output "$work/answer" "${trust[@]}" \
      --aws-sigv4 "aws:amz:$region:$service" --data-binary @"$work/body" "$@" "https://$service.$region.$domain/" <<END
user = "$access:$secret"
header = "X-Amz-Security-Token: $session"
END
    ) || { problem="$service cannot be reached (curl's status $?)" && rm -f "$run/$service.pem" && continue; }
    [[ $status != *-----BEGIN* ]] || replace "$run/$service.pem" <<<"-----BEGIN${status##*-----BEGIN}"
    status=${status%% *}
    { answer=$(<"$work/answer"); } 2>/dev/null
    if [[ $status == 2?? ]]; then
      [[ $answer =~ $expected ]] && return
      problem="$service answered with nonsense: '${answer:0:60}'"
      continue
    fi
    [[ $answer =~ (\"__type\":\ *\"|\<Code\>)([^\"<]*) ]] && code=${BASH_REMATCH[2]##*#}
    problem="$service answered $status ${code:-${answer:0:60}}"
    case $status-$code in
      *Expired* | *InvalidClientTokenId | *UnrecognizedClient* | *AuthFailure) rm -f "$run/credentials" ;;
      5??-* | 429-* | *Throttl* | *RequestLimitExceeded | *TooManyUpdates) ;;
      *) return 1 ;;
    esac
  done
  return 1
}
json_call() { aws_call "$1" "$3" -H "X-Amz-Target: $2" -H 'Content-Type: application/x-amz-json-1.1'; }
ssm_call() { json_call ssm "AmazonSSM.$1" "$2"; }
events_call() { json_call events "AWSEvents.$1" "$2"; }
# query_call SERVICE ACTION VERSION EXPECTED BODY
query_call() { printf 'Action=%s&Version=%s&%s' "$2" "$3" "$5" >"$work/body" && aws_call "$1" "$4"; }

# say_event TYPE [NOTICE TIME]: to the controller.
say_event() {
  jq -n --arg type "$1" --arg notice "${2-}" --arg time "${3-}" '{Entries: [{Source: "stingy-vpn", DetailType: $type, Detail: ({
    environment: env.ENVIRONMENT, site: env.SITE, "instance-id": env.instance} + if $notice == "" then {} else {$notice, $time} end | tojson)}]}' >"$work/body"
  events_call PutEvents '"FailedEntryCount": *0' || { log error event-not-sent type "$1" reason "$problem" && return 1; }
  log info event-sent type "$1" notice "${2-}"
}
# Says in the instance's tag what the markers and health's verdict make of it. All who change one of them call this.
say_state() {
  local state said='' verdict=''
  flock -w 60 9 || return 1
  [[ ! -s $run/verdict ]] || verdict=$(<"$run/verdict")
  if [[ -e $run/stood-down ]]; then state=stood-down
  elif [[ ! $verdict ]]; then state=''
  elif [[ $verdict != fit ]]; then state=unhealthy:$verdict
  elif [[ -e $run/serving ]]; then state=serving
  else state=ready; fi
  [[ ! -s $run/state ]] || said=$(<"$run/state")
  if [[ $state && $state != "$said" ]]; then
    query_call ec2 CreateTags 2016-11-15 '<CreateTagsResponse' \
      "ResourceId.1=$instance&Tag.1.Key=state&Tag.1.Value=${state/:/%3A}" || { log error state-not-tagged state "$state" reason "$problem" && return 1; }
    echo "$state" >"$run/state"
    log info state-tagged state "$state" before "$said"
  fi
} 9>"$run/state.lock"
# load FILE: sets $origin, $key, $wg, $nft, $links and whatever else a configuration of store.jq's says in words.
load() {
  local values
  values=$(jq -r 'to_entries[] | select(.value | scalars) | "\(.key)=\(.value | @sh)"' "$1" 2>/dev/null) && [[ $values ]] && links='' mtu=$MTU && eval "$values"
}
# Up, with the loaded addresses and routes, some of which the kernel drops when it goes down.
raise_wg0() {
  local what value error
  ip link set dev wg0 mtu "$mtu" up || { problem='wg0 cannot go up' && return 1; }
  while read -r what value; do
    error=$(ip "$what" replace "$value" dev wg0 2>&1) || log error "$what-refused" "$what" "$value" reason "$error"
  done <<<"$links"
}
