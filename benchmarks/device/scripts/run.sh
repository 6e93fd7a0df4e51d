# On the phone: runs a program apart from adb, so that it outlives a lost connection. What it prints goes to `stdout`
# and `stderr` of the folder, its exit code to `exit_code` at its end; `pid` is there while this script lives or lived.
# Usage: setsid sh run.sh FOLDER PROGRAM ARGUMENTS...
cd "$1" || exit 1
shift
echo $$ >pid
"$@" >stdout 2>stderr </dev/null
echo $? >exit_code.new && mv exit_code.new exit_code
