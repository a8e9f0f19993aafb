import torch
from ercfw_low_rank import LowRank

from ercfw.testing import conformance
from ercfw.testing.fixtures import DIMS, data_info, make_conversations, pack

CONVERSATIONS = make_conversations({"text": "vector", "audio": "vector"}, absent=0, sizes=(3, 2))
TWO = {m: DIMS[m] for m in ("text", "audio")}


def test_it_is_a_fusion() -> None:
    conformance("fusion", LowRank)
    conformance("fusion", LowRank, {"rank": 1, "width": 3})


def test_it_is_the_outer_product_times_a_whole_weight_tensor() -> None:
    torch.manual_seed(0)
    fusion = LowRank(TWO, data_info(CONVERSATIONS), width=3, rank=2).double()
    inputs = pack(CONVERSATIONS).inputs
    xs = {m: torch.randn(5, dim, dtype=torch.float64) for m, dim in TWO.items()}  # [N, D_m]
    whole = {m: torch.cat([f.weight, f.bias[:, None]], 1).view(2, 3, -1) for m, f in fusion.factors.items()}
    tensor = torch.einsum(
        "r,rwa,rwb->wab", fusion.mix.weight[0], whole["text"], whole["audio"]
    )  # [width, D_t+1, D_a+1]
    one = torch.ones(5, 1, dtype=torch.float64)
    text, audio = (torch.cat([xs[m], one], 1) for m in TWO)  # [N, D_m+1]
    expected = torch.einsum("na,nb,wab->nw", text, audio, tensor) + fusion.mix.bias  # [N, width]
    torch.testing.assert_close(fusion(xs, inputs), expected)
