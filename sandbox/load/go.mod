module slipway.dev/sandbox/load

go 1.22
