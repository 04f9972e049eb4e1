# Sourced by the scripts beside it, which set `name`: what cannot be tried here is skipped with a
# word. CI_DEADLINE: seconds since 1970 by which all has to be done.

export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONNOUSERSITE=1
no_network='Connection(Error|Reset)|[Tt]imed? ?out|NameResolution|Max retries|ProxyError|IncompleteRead|No space left'

skip() {
    echo "== $name: skipped: $*"
    exit 0
}

# Seconds before the deadline.
left() {
    echo $((${CI_DEADLINE:-$(($(date +%s) + 3600))} - $(date +%s)))
}

at_least_minutes() {
    (($(left) >= $1 * 60)) || skip "only $(($(left) / 60)) minutes are left of those it may take"
}

at_least_gigabytes() {
    local free
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1000000) }')
    ((free >= $1)) || skip "$free GB of disk are free, $1 are needed"
}

# Run a command that has to end before the deadline.
in_time() {
    local status=0 seconds
    seconds=$(left)
    timeout --kill-after=20 "$((seconds > 1 ? seconds : 1))" "$@" || status=$?
    (($(left) > 0)) || skip "no time was left for: $*"
    return "$status"
}

# Install with the pip of an environment, within so many minutes: ENVIRONMENT MINUTES WORDS...
install() {
    local environment=$1 seconds=$(($2 * 60)) status=0
    shift 2
    (($(left) > seconds)) || seconds=$(left)
    timeout --kill-after=20 "$seconds" "$environment/bin/pip" install -q --prefer-binary "$@" \
        2>"$environment/pip.log" || status=$?
    case $status in
    0) return ;;
    124 | 137) skip "it could not be installed within $((seconds / 60)) minutes" ;;
    esac
    grep -v '^WARNING: Location' "$environment/pip.log" >&2 || true
    ! grep -qE "$no_network" "$environment/pip.log" || skip "it could not be downloaded"
    return "$status"
}
