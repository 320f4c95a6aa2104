"""Which environments `pulumi destroy` may delete unless somebody says so."""

import pytest

from pulumi_slipway.settings import Environment


@pytest.mark.parametrize("name", ["production", "prod", "eu-prod", "prd", "live", "shop-production-2", "live-eu"])
def test_production_by_its_name_is_kept(name):
    assert not Environment(name=name).allow_destroy
    assert Environment(name=name, allow_destroy=True).allow_destroy


@pytest.mark.parametrize("name", ["staging", "review", "preprod", "pre-prod", "nonprod", "non-prod-eu", "dev", "test"])
def test_others_may_be_deleted(name):
    assert Environment(name=name).allow_destroy
    assert not Environment(name=name, allow_destroy=False).allow_destroy
