# On the phone: removes a run's folder, and kills what runs for it, once nobody has touched `alive` there for a time.
# The host touches it at every look; a host that was killed, or that lost the phone for good, does so no more.
# Usage: sh guard.sh FOLDER SECONDS
cd "$1" || exit 1
while sleep $(($2 / 10 + 1)); do
  [ -e alive ] || exit 0
  [ $(($(date +%s) - $(stat -c %Y alive))) -ge "$2" ] && break
done
for process in $(grep -sl "$1" /proc/[0-9]*/cmdline); do
  process=${process#/proc/}
  process=${process%/cmdline}
  [ "$process" = $$ ] || kill -KILL -- "-$process" || kill -KILL "$process"
done
cd / && rm -rf "$1"
