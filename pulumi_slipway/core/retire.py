"""Which tracks nobody needs any more: by cluster and ledger alone, so that no settings are asked."""

from pulumi_slipway.core.model import Observed, TrackName


def retired(seen: Observed) -> tuple[TrackName, ...]:
    """The tracks with pods that serve nobody, and that no rollback switches to any more.

    | observed                                                        | retired                              |
    |-----------------------------------------------------------------|--------------------------------------|
    | a release is under way, or none is Healthy                      | none: a failure may go back to them  |
    | users are not on the Healthy release, or not all of its pods up | none: they may be all that is there  |
    | the window is open                                              | all but those with a Healthy release |
    | otherwise                                                       | all but the one that serves          |

    A track with no pods costs nothing, and is left to the next deployment.
    """
    home, committed = seen.home, seen.committed
    if seen.in_flight or committed is None or home is None or seen.pool is not home.pool:
        return ()
    live = seen.tracks.get(home)
    if live is None or live.release != committed.release.id or not live.complete or not live.available:
        return ()
    warm = {record.release.id for record in seen.healthy()} if seen.window_open else set()
    return tuple(
        name for name, track in seen.tracks.items() if name is not home and track.wanted and track.release not in warm
    )
