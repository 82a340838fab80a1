from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acceltop.profiler.analysis.names import labels, short_name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("aten::convolution_backward", "convolution_backward"),
        ("gloo:all_reduce", "gloo:all_reduce"),
        ("autograd::engine::evaluate_function: AddmmBackward0", "evaluate_function: AddmmBackward0"),
        ("Memcpy HtoD (Pageable -> Device)", "Memcpy HtoD (Pageable -> Device)"),
        ("triton_red_fused_native_layer_norm_backward_7", "triton_red_fused_native_layer_norm_backward_7"),
        ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
         "ncclDevKernel_AllReduce_Sum_bf16_RING_LL"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>, std::array<char*, 3ul>"
         " >(int, at::native::CUDAFunctor_add<float>, std::array<char*, 3ul>)",
         "vectorized_elementwise_kernel<CUDAFunctor_add, array>"),
        ("void at::native::(anonymous namespace)::indexSelectLargeIndex<c10::BFloat16, long, 2, 2, -2, true>(int)",
         "indexSelectLargeIndex<BFloat16, long>"),
        ("flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<Flash_bwd_kernel_traits<128, 64, 128>>",
         "flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<Flash_bwd_kernel_traits>"),
        ("cudapy::__main__::fast_matmul$241(Array<double, int=2, C, mutable, aligned>)", "fast_matmul$241"),
        ("", ""),
    ],
)  # fmt: skip
def test_short_names(name: str, short: str) -> None:
    assert short_name(name) == short


def test_names_that_would_look_the_same_keep_what_tells_them_apart() -> None:
    assert labels(["copy<float, 1>", "copy<float, 2>", "aten::mm"]) == ["copy<float, 1>", "copy<float, 2>", "mm"]


@given(st.text(alphabet="ab<>,:() \n", max_size=60))
def test_any_name_has_a_label(name: str) -> None:
    assert bool(short_name(name)) == bool(name)
