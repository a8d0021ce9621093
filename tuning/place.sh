#!/usr/bin/env bash
# Keeps the CPUs of the shards for the shards: moves the interrupts of network cards and the kernel's
# unbound work to other CPUs, and sets the shards' CPUs to full speed. What was there before is saved,
# and "undo" puts it back byte for byte.
set -euo pipefail

usage() {
  cat <<'END'
usage: place.sh [plan|apply|undo] [--dry-run] [--shards LIST] [--irqs LIST]
                [--root DIR] [--state DIR]

  plan          print what would be done and change nothing; what happens without a word
  apply         save what is there, then do it
  undo          put back what was saved

  --dry-run     with apply or undo: print only
  --shards LIST CPUs of the shards, for instance 2-15; all online but the first
  --irqs LIST   CPUs that take interrupts; those online without a shard, else all
  --root DIR    where proc and sys are, for tests; /
  --state DIR   where old values are saved; /run/slipring-place, gone after a reboot as they are

exit status: 0 done, 1 some setting could not be written, 64 wrong usage
END
}

fail() {
  printf 'place.sh: %s\n' "$2" >&2
  exit "$1"
}

# The CPUs of a list such as 0-3,8, one a line.
expand() {
  local part
  local -a parts
  IFS=, read -ra parts <<<"$1"
  for part in ${parts[@]+"${parts[@]}"}; do
    [[ $part =~ ^[0-9]+(-[0-9]+)?$ ]] || fail 64 "\"$1\" is no list of CPUs"
    seq "${part%-*}" "${part#*-}"
  done
}

# CPUs, one a line, as a mask of comma-separated words, the way the kernel writes it.
mask() {
  local cpu word highest=0
  local -a words=()
  while read -r cpu; do
    word=$((cpu / 32))
    ((word > highest)) && highest=$word
    words[word]=$((${words[word]:-0} | 1 << (cpu % 32)))
  done
  printf '%x' "${words[highest]:-0}"
  for ((word = highest - 1; word >= 0; word--)); do
    printf ',%08x' "${words[word]:-0}"
  done
}

# The interrupts of the queues of every card that is up, as "number name".
queues() {
  local card name device
  for card in "$root"/sys/class/net/*; do
    [[ -e $card/device ]] || continue
    [[ $(<"$card/operstate") != down ]] || continue
    name=${card##*/}
    # Drivers name interrupts after the interface; virtio names them after the device.
    device=$(readlink "$card/device" || true)
    awk -v card="$name" -v device="${device##*/}" '
      $1 ~ /^[0-9]+:$/ && $NF !~ /config|control|async/ {
        count = split($NF, words, /[^A-Za-z0-9]/)
        for (i = 1; i <= count; i++)
          if (words[i] == card || (device != "" && words[i] == device)) {
            print $1 + 0, $NF
            break
          }
      }' "$root/proc/interrupts"
  done
}

# Every setting as "path value": relative to the root, and what shall stand there.
settings() {
  local -a targets
  local irq name cpu path turn=0
  mapfile -t targets < <(expand "$irqs")
  while read -r irq name; do
    printf '%s %s\n' "proc/irq/$irq/smp_affinity_list" "${targets[turn % ${#targets[@]}]}"
    turn=$((turn + 1))
  done < <(queues | sort -n -u)
  path=sys/devices/virtual/workqueue/cpumask
  [[ ! -e $root/$path ]] || printf '%s %s\n' "$path" "$(expand "$irqs" | mask)"
  for cpu in $(expand "$shards"); do
    path=sys/devices/system/cpu/cpu$cpu/cpufreq/scaling_governor
    [[ ! -e $root/$path ]] || printf '%s %s\n' "$path" performance
  done
}

warn_of_irqbalance() {
  local comm
  for comm in "$root"/proc/[0-9]*/comm; do
    if [[ -e $comm && $(<"$comm") == irqbalance ]]; then
      echo 'place.sh: irqbalance runs and will move interrupts again: systemctl disable --now irqbalance' >&2
      return
    fi
  done
}

# Saves the file at $1 under the next number.
save() {
  local number
  number=$(find "$state" -name '*.path' | wc -l)
  number=$(printf '%05d' "$number")
  cat "$root/$1" >"$state/$number.value"
  printf '%s\n' "$1" >"$state/$number.path"
}

place() {
  local path value now failed=0 changes=0
  if [[ $action == apply ]]; then
    [[ ! -e $state ]] || fail 1 "$state holds what was there before; undo first"
    mkdir -p "$state"
  fi
  while read -r path value; do
    if ! now=$(cat "$root/$path"); then
      failed=1
      continue
    fi
    if [[ $now == "$value" ]]; then
      printf 'keep  /%s: %s\n' "$path" "$now"
      continue
    fi
    changes=$((changes + 1))
    printf 'set   /%s: %s -> %s\n' "$path" "$now" "$value"
    [[ $action == apply ]] || continue
    save "$path"
    # The kernel refuses to move interrupts that it manages itself.
    if ! printf '%s\n' "$value" >"$root/$path"; then
      printf 'place.sh: /%s stays as it is\n' "$path" >&2
      failed=1
    fi
  done < <(settings)
  if [[ $action == apply ]]; then
    echo "$changes settings changed; undo puts them back"
  else
    echo "$changes settings would change; nothing was touched"
  fi
  return "$failed"
}

undo() {
  local saved path failed=0
  [[ -d $state ]] || fail 1 "$state holds nothing to undo"
  while read -r saved; do
    path=$(<"$saved")
    printf 'back  /%s: %s\n' "$path" "$(<"${saved%.path}.value")"
    [[ -z $dry_run ]] || continue
    if ! cat "${saved%.path}.value" >"$root/$path"; then
      printf 'place.sh: /%s stays as it is\n' "$path" >&2
      failed=1
    fi
  done < <(find "$state" -name '*.path' | sort -r)
  # What could not be put back stays saved.
  [[ -n $dry_run || $failed == 1 ]] || rm -r "$state"
  return "$failed"
}

action=plan
dry_run=
root=
shards=
irqs=
state=/run/slipring-place
while (($# > 0)); do
  case $1 in
    plan | apply | undo) action=$1 ;;
    --dry-run) dry_run=yes ;;
    --shards | --irqs | --root | --state)
      (($# > 1)) || fail 64 "$1 takes a value"
      case $1 in
        --shards) shards=$2 ;;
        --irqs) irqs=$2 ;;
        --root) root=${2%/} ;;
        --state) state=$2 ;;
      esac
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail 64 "unknown word \"$1\"; try --help" ;;
  esac
  shift
done

if [[ $action == undo ]]; then
  undo
  exit
fi
[[ -z $dry_run ]] || action=plan

online=$(expand "$(<"$root/sys/devices/system/cpu/online")" | sort -n)
if [[ -z $shards ]]; then
  shards=$(tail -n +2 <<<"$online" | paste -sd,)
  # A host with one CPU has no other to keep.
  [[ -n $shards ]] || shards=$online
fi
# Checked here, where a fault ends the script; in a substitution it would not.
wanted=$(expand "$shards" | sort -n)
if [[ -z $irqs ]]; then
  irqs=$(comm -23 <(sort <<<"$online") <(sort <<<"$wanted") | sort -n | paste -sd,)
  [[ -n $irqs ]] || irqs=$(paste -sd, <<<"$online")
fi
taking=$(expand "$irqs" | sort -n)
for cpu in $wanted $taking; do
  grep -qx "$cpu" <<<"$online" || fail 64 "CPU $cpu is not online"
done
echo "shards on CPUs $shards, interrupts on CPUs $irqs"
warn_of_irqbalance
place
