module plimsoll.dev/test/kubernetes/pause

go 1.26
