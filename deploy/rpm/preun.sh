if [ "$1" -eq 0 ]; then
    systemctl disable ngraph.service
    [ ! -d /run/systemd/system ] || systemctl stop ngraph.service
fi
