if [ "$1" -eq 0 ]; then
    rm -rf /run/ngraph
    userdel ngraph 2>/dev/null || :
    # The package lists files alone, so RPM knows nothing of their folders.
    cd /usr/share && rmdir doc/ngraph/examples/* doc/ngraph/examples doc/ngraph licenses/ngraph || :
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
fi
