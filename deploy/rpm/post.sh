systemd-sysusers ngraph.conf
systemd-tmpfiles --create ngraph.conf
# An image that is being built has no systemd that runs.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
if [ "$1" -eq 1 ]; then
    systemctl enable ngraph.service
    [ ! -d /run/systemd/system ] || systemctl start ngraph.service || :
else
    [ ! -d /run/systemd/system ] || systemctl try-restart ngraph.service || :
fi
