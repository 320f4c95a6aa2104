module slipway.dev/examples/app

go 1.22
