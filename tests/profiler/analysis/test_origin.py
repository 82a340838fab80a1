"""Names and paths as real programs gave them; the comment above each group says where they were seen."""

from __future__ import annotations

import pytest

from acceltop.profiler.analysis.origin import RULES, origin

TORCH_LIB = "/usr/lib/python3.11/site-packages/torch/lib"

NAMES = [
    # torch.profiler of torch 2.13 (CPU build), one training step of a small CNN with AdamW
    ("aten::convolution_backward", "ATen"),
    ("aten::mkldnn_convolution", "oneDNN"),
    ("aten::addmm", "ATen"),
    ("aten::_fused_adamw_", "ATen"),
    ("Optimizer.step#AdamW.step", "PyTorch"),
    ("autograd::engine::evaluate_function: ConvolutionBackward0", "PyTorch"),
    ("torch::autograd::AccumulateGrad", "PyTorch"),
    ("NllLossBackward0", "PyTorch"),
    # nsys cuda_gpu_kern_sum of bf16 training on an H100
    ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute_segment_k_off", "cuBLAS"),
    ("nvjet_tst_128x256_64x4_2x1_v_bz_coopA_bias_TNN", "cuBLAS"),
    ("nvjet_sm100_tst_64x16_64x16_2x4_2cta_h_bz_splitK_TNT", "cuBLAS"),
    ("void gemmSN_NN_kernel<float, 128, 2, 4, 8, 2, 4>", "cuBLAS"),
    ("ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_32x6_tn", "cuBLAS"),
    ("volta_sgemm_128x64_nn", "cuBLAS"),
    ("void cutlass::Kernel2<cutlass_80_simt_sgemm_64x64_8x5_tn_align1>(cutlass_80_simt_sgemm::Params)", "CUTLASS"),
    ("cutlass3x_sm100_simt_sgemm_f32_f32_f32_f32_f32_64x128x16", "CUTLASS"),
    # torch.profiler tables in the issues of PyTorch and in vLLM's and SGLang's reports
    ("void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>(int)", "ATen"),
    ("void at::native::(anonymous namespace)::multi_tensor_apply_kernel<FusedAdamMathFunctor<float, 4>>", "ATen"),
    ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<128, 64, cutlass::bfloat16_t>>", "FlashAttention"),
    ("flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel", "FlashAttention"),
    ("fmha_cutlassF_bf16_aligned_64x128_rf_sm80(PyTorchMemEffAttention::AttentionKernel<cutlass::bf", "xFormers"),
    ("cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x128_4x1x1", "cuDNN"),
    ("void implicit_convolve_sgemm<float, float, 1024, 5, 5, 3, 3, 3, 1, false, false, true>", "cuDNN"),
    ("volta_scudnn_winograd_128x128_ldg1_ldg4_relu_tile148t_nt_v1", "cuDNN"),
    ("sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x128x32", "cuDNN"),
    ("void wgrad_alg0_engine<float, 128, 6, 7, 3, 3, 5, false, 512>(int, int, int, float const*)", "cuDNN"),
    ("void gemv2N_kernel<int, int, float, float, float, float, 128, 2, 4, 4, 4, 1>", "cuBLAS"),
    ("void gemmk1_kernel<int, float, 256, 5, true, false, false, false>", "cuBLAS"),
    ("void (anonymous namespace)::softmax_warp_forward<float, float, float, 10, true, false>(float*)", "ATen"),
    ("void fbgemm_gpu::permute_2D_data_kernel<false, int, int>(int, int, int, int const*)", "FBGEMM"),
    ("void permute_pooled_embs_kernel<float>(float const*, long const*, long const*)", "FBGEMM"),
    ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "NCCL"),
    ("ncclKernel_AllReduce_RING_LL_Sum_float(ncclWorkElem)", "NCCL"),
    ("nccl:all_reduce", "NCCL"),
    ("ncclDevKernel_Generic_1(ncclDevKernelArgsStorage<4096ul>)", "RCCL"),
    ("gloo:all_reduce", "gloo"),
    ("void vllm::cross_device_reduce_1stage<__nv_bfloat16, 4>", "vLLM"),
    (
        "void flashinfer::trtllm_allreduce_fusion::allreduce_fusion_kernel_oneshot_lamport<(flashinfer::x)>",
        "FlashInfer",
    ),
    ("void at_cuda_detail::cub::DeviceRadixSortOnesweepKernel<at_cuda_detail::cub::Policy>", "CUB"),
    ("Memcpy HtoD (Pageable -> Device)", "CUDA runtime"),
    ("Memset (Device)", "CUDA runtime"),
    ("[CUDA memcpy Device-to-Host]", "CUDA runtime"),
    # code that TorchInductor wrote into its cache
    ("triton_poi_fused_add_clone_mul_1", "Triton"),
    ("triton_red_fused_native_layer_norm_backward_7", "Triton"),
    ("triton_tem_fused_mm_5", "Triton"),
    ("cpp_fused__to_copy_cumsum_ne_0", "Inductor"),
    # torch.compile on a CPU, PyTorch 2.13
    ("Torch-Compiled Region: 0/0", "Inductor"),
    ("CompiledFunction", "Inductor"),
    ("CompiledFunctionBackward", "Inductor"),
    ("TorchDynamo Cache Lookup", "PyTorch"),
    # nvFuser's own documentation; an nvprof table of TorchScript
    ("nvfuser_pointwise_f0_c1_r0_g0", "nvFuser"),
    ("CudaCodeGen::kernel1(CudaCodeGen::Tensor<float, int=2>, CudaCodeGen::Tensor<float, int=2>)", "nvFuser"),
    # JAX profiles (XSpace op tables) on GPU and CPU
    ("input_reduce_fusion_92", "XLA"),
    ("loop_add_fusion", "XLA"),
    ("loop_add_fusion.17", "XLA"),
    ("__ynn_fusion", "XLA"),
    ("wrapped_tanh", "XLA"),
    ("gemm_fusion_dot_265", "XLA"),
    ("all-reduce.1", "XLA"),
    ("dot.5", "XLA"),
    ("tpu_custom_call.3", "Pallas"),
    # TVM's documentation (micro, OpenCL), IREE's compiler dumps, Glow's benchmarks, PlaidML's cached OpenCL sources
    ("tvmgen_default_fused_nn_conv2d_kernel0", "TVM"),
    ("fused_nn_conv2d_add_nn_relu_kernel0", "TVM"),
    ("main_dispatch_0_matmul_1024x1280x1280_f16xf16xf32", "IREE"),
    ("libjit_conv2d_f", "Glow"),
    ("kernel_c42_sdk_144", "PlaidML"),
    # rocprof and torch.profiler on AMD Instinct
    ("Cijk_Ailk_Bljk_HHS_BH_MT128x128x16_MI16x16x16x1_SN_1LDSB0_APM1", "Tensile"),
    ("igemm_fwd_gtcx3_nhwc_fp16_bx0_ex1_bt256x128x32_wt32x32x8_ws2x1_wr2x2", "MIOpen"),
    ("miopenSp3AsmConv_v30_3_1_gfx9_fp32_f2x3_stride1", "MIOpen"),
    ("MIOpenBatchNormFwdInferSpatialEst", "MIOpen"),
    ("rocblas_gemvn_kernel", "rocBLAS"),
    ("void ck_tile::kentry<256, 1, ck_tile::FmhaBwdDQDKDVKernel<float>>", "Composable Kernel"),
    ("__amd_rocclr_copyBuffer", "HIP runtime"),
    ("CopyDeviceToHost", "HIP runtime"),
    # oneDNN's GPU kernels (its documentation on dumping them); libomptarget's; nsys of CuPy and numba
    ("gen9_conv_fwd", "oneDNN"),
    ("__omp_offloading_fd02_3231c15__Z3foov_l2", "LLVM OpenMP"),
    ("cupy_multiply__float32_float_float32", "CuPy"),
    ("cudapy::__main__::reduce_kernel[abi:v1,cw51cXTLSUwv1sCUt9Uw11Ew0NRRQPKzLTg4gaGKFsG2oMQGEYakJSQB1PQB]", "numba"),
]


@pytest.mark.parametrize(("name", "maker"), NAMES, ids=[name[:50] for name, _ in NAMES])
def test_real_names(name: str, maker: str) -> None:
    assert origin(name) == maker


def test_the_owning_library_comes_before_the_name() -> None:
    assert origin("ncclDevKernel_AllReduce_Sum_f32_RING_LL", "/opt/rocm/lib/librccl.so.1.0") == "RCCL"
    assert origin("gemm_kernel", "/opt/intel/oneapi/mkl/lib/libmkl_avx512.so.2") == "MKL"
    assert origin("sgemm", "/usr/lib/numpy.libs/libscipy_openblas64_-32a4b2a6.so") == "OpenBLAS"


def test_a_library_of_many_things_comes_after_the_name() -> None:
    assert origin("dnnl::impl::cpu::x64::jit_avx512_core", f"{TORCH_LIB}/libtorch_cpu.so") == "oneDNN"
    assert origin("some_static_function", f"{TORCH_LIB}/libtorch_cpu.so") == "ATen"


def test_nobody_knows() -> None:
    assert origin("my_kernel") is None
    assert origin("") is None


def test_every_rule_is_reached_by_its_maker_and_names_its_source() -> None:
    makers = {maker for _, maker in NAMES}
    assert {"NCCL", "XLA", "Triton", "cuBLAS", "oneDNN"} <= makers
    assert all(rule.source and rule.where in {"library", "name", "op"} for rule in RULES)


def test_a_hostile_name_costs_nothing() -> None:
    assert origin("a-" * 1_000_000) is None
