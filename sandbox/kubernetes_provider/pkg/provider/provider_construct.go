// In the place of the provider's own file of this name: the provider without its component resources, which need the
// whole Go SDK of pulumi-kubernetes. Everything else of the provider is as it was released.
package provider

import (
	"context"
	"fmt"

	providerresource "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

var resourceProviders = map[string]providerresource.ResourceProviderFactory{}

func (k *kubeProvider) getResourceProvider(string) (providerresource.ResourceProvider, bool) {
	return nil, false
}

// Construct refuses the component resources.
func (k *kubeProvider) Construct(
	_ context.Context, request *pulumirpc.ConstructRequest,
) (*pulumirpc.ConstructResponse, error) {
	return nil, fmt.Errorf("%s: the sandbox's provider is built without component resources", request.GetType())
}
