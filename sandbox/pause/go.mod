module slipway.dev/sandbox/pause

go 1.22
