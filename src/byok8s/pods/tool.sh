# The first process of the container of a rule's own image: runs what the worker's container hands over. It asks no more
# of the image than /bin/sh. $1: the folder of FIFOs that both containers have; here it is read-only.
# Requests: "run ID SHELL" (ID: a folder in there), "end SIGNAL", "clear ID", "quit".
dir=$1
until [ -p "$dir/requests" ]; do sleep 0.1 2>/dev/null || sleep 1; done
# the worker holds the other ends of both: when it is gone, this ends too; when this is gone, the worker sees it
exec 3<"$dir/requests" 4>"$dir/alive"

# how often the kernel has killed for memory in this container, and its limit: cgroup v2, then v1
kills() {
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$file" ] || continue
    while read -r name number; do [ "$name" = oom_kill ] && echo "$number"; done <"$file"
    return
  done
}
limit() {
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    [ -r "$file" ] || continue
    read -r number <"$file" && echo "$number"
    return
  done
}

# all of this container but its first process, which is this
end() { [ $$ = 1 ] && kill -s "$1" -- -1 2>/dev/null; }

# whether there is nothing else; what is dead and nobody has waited for does nothing any more
alone() {
  for process in /proc/[0-9]*; do
    [ "$process" = /proc/1 ] && continue
    { read -r line <"$process/stat"; } 2>/dev/null || continue
    case ${line##*) } in Z* | X*) ;; *) return 1 ;; esac
  done
}

# ends what a job has left, before the next one comes. If a pod's containers share their processes, it cannot.
clear() {
  said=cannot
  [ $$ = 1 ] || return
  end KILL
  wait
  looks=0
  # what hangs in the kernel may take long to die
  until alone; do looks=$((looks + 1)); [ "$looks" -lt 100 ] || sleep 0.1 2>/dev/null || sleep 1; done
  said=cleared
}

while read -r what id shell <&3; do
  case $what in
  run)
    (
      exec 3<&- 5>"$dir/$id/code"
      before=$(kills)
      trap : TERM INT  # not ignored, which what it runs would inherit: it is here to tell the exit code
      if command -v "$shell" >/dev/null 2>&1; then
        /bin/sh "$dir/$id/script" </dev/null 4>&- 5>&-
        code=$?
        echo "$code $(($(kills) - ${before:-0})) $(limit)" >&5
      else
        echo lacks >&5
      fi
    ) & ;;
  end) end "$id" ;;
  clear)
    clear
    echo "$said" >"$dir/$id/cleared" & ;;  # the one who has asked may be gone
  quit) break ;;
  esac
done
end KILL
wait
exit 0
