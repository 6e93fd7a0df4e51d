import torch

from benchmarks.machine import MatrixProduct, describe_machine


def test_the_limit_is_the_best_product_of_any_library() -> None:
    limit = MatrixProduct()
    products = [product() for product in limit._products]
    dense = [torch.as_tensor(one).to_dense() for one in products]
    for one in dense[1:]:
        assert torch.equal(one, dense[0])
    limit.sample()
    first = limit.gflops
    limit.sample()
    assert limit.gflops >= first > 0


def test_the_machine_says_what_it_is() -> None:
    facts = describe_machine()
    assert facts["cores"] >= 1
    assert facts["architecture"]
