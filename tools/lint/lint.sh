#!/bin/sh
# The house rules that a machine can check; each prints what is wrong and where. Exit 1 if any does.
set -u
cd "$(dirname "$0")/../.."
failed=0

complain() {
	echo "lint: $1"
	failed=1
}

c_files=$(git ls-files '*.c' '*.h')

# A pattern, where it may stand (a path pattern for grep -E), and the reason.
forbid() {
	found=$(grep -nE "$1" $c_files 2>/dev/null | grep -vE "$2" || true)
	if [ -n "$found" ]; then
		echo "$found"
		complain "$3"
	fi
}

clang-format --dry-run -Werror $c_files || complain "not in the house format: make format"
forbid '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok)\(' '^$' "an unbounded or unchecked C function"
forbid '\b(time\(NULL\)|gettimeofday\(|clock_gettime\()' '^common/base/clock\.c' "clocks are read in common/base/clock.c only"
forbid 'zsock_set_(disconnect_msg|hello_msg|router_notify|metadata|reconnect_stop|zap_enforce_domain)' '^$' \
	"this call silently does nothing in Debian 12's libczmq"
forbid '\b(TODO|FIXME|XXX)\b' '^$' "unfinished work belongs in an issue"
forbid '(snprintf|asprintf)\([^;]*"(SELECT|INSERT|UPDATE|DELETE) ' '^$' "SQL is a static text with parameters"
forbid '\bPQexec\(' '^$' "PQexecParams and prepared statements only"
forbid '\bzmq_[a-oq-z]|\bzmq_p[^o]|zsock_|zmsg_' '^(common/bus|services/broker|common/daemon|tests)/|zmq\.h' "sockets stay inside common/bus and services/broker"
forbid '\bzconfig_(str_|chunk_)?load\(' '^common/conf/zpl\.c' "ZPL is read by zpl_parse, which fences zconfig"

/usr/bin/python3 tools/lint/functions.py $c_files || complain "a function is over 100 lines"

# Every folder that holds a file, and those above it.
for folder in $(git ls-files | grep / | awk -F / '{ path = $1; print path; for (i = 2; i < NF; i++) print path = path "/" $i }' | sort -u | grep -vE '^\.ci|/(test|corpus|page|schema|css|js|i18n)(/|$)'); do
	[ -e "$folder/README.md" ] || complain "$folder has no README.md: what belongs here and what does not"
done

for script in $(git ls-files '*.sh' .ci/run); do
	case $(head -n 1 "$script") in *bash*) shell=bash ;; *) shell=sh ;; esac
	$shell -n "$script" || complain "$script does not parse"
done

git ls-files '*.py' | xargs /usr/bin/python3 -m py_compile || complain "a Python file does not compile"
git ls-files | grep -vE '\.(der|svg|json|binpb|tbl\.h)$|ja\.md$|LICENSE|corpus/' | xargs codespell -q 3 \
	-L "afterall,crate,te,nd,ot,ser,fo,hist,iif,uint,sie,ro,inout,vai,mot,inflight,nmae,wrod" || complain "spelling"

for name in '/work/' '\.\./shared'; do
	found=$(git ls-files | grep -v '^tools/lint/' | xargs grep -nI -- "$name" || true)
	[ -z "$found" ] || { echo "$found"; complain "a path of somebody's workplace"; }
done

exit $failed
