"""Who made a kernel: decided by the library that owns its code, then by its name, then by the op that launched it.

One ordered table, first match wins. Every row says where its pattern comes from.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

LIBRARY, NAME, OP = "library", "name", "op"


class Rule(NamedTuple):
    """`pattern` is searched in the library's path, the kernel's name or the op's name."""

    where: str
    pattern: str
    maker: str
    source: str


RULES = (
    # --- a library that does one thing says more than a name
    Rule(LIBRARY, r"/libcublas(Lt)?\b", "cuBLAS", "CUDA toolkit, library names"),
    Rule(LIBRARY, r"/libcudnn", "cuDNN", "cuDNN install guide, library names"),
    Rule(LIBRARY, r"/libcu(fft|sparse|solver|rand)\b", "CUDA libraries", "CUDA toolkit, library names"),
    Rule(LIBRARY, r"/librccl\b", "RCCL", "ROCm/rccl, library name"),
    Rule(LIBRARY, r"/libnccl\b", "NCCL", "NVIDIA/nccl, library name"),
    Rule(LIBRARY, r"/libmkl_|/mkl_", "MKL", "oneMKL link-line advisor, library names"),
    Rule(LIBRARY, r"/lib(dnnl|onednn|mkldnn)\b", "oneDNN", "uxlfoundation/oneDNN, library name"),
    Rule(LIBRARY, r"/libMIOpen\b", "MIOpen", "ROCm/MIOpen, library name"),
    Rule(LIBRARY, r"/lib(rocblas|hipblas)\b", "rocBLAS", "ROCm/rocBLAS, library name"),
    Rule(LIBRARY, r"/libhipblaslt\b", "Tensile", "ROCm/hipBLASLt: its kernels come from TensileLite"),
    Rule(LIBRARY, r"openblas", "OpenBLAS", "OpenMathLib/OpenBLAS, library name; also inside numpy.libs"),
    Rule(LIBRARY, r"/flash_attn_\w*cuda\b", "FlashAttention", "Dao-AILab/flash-attention, extension modules"),
    Rule(LIBRARY, r"/libtvm(_runtime)?\b", "TVM", "apache/tvm, library names"),
    Rule(LIBRARY, r"/libgloo\b", "gloo", "pytorch/gloo, library name"),
    Rule(LIBRARY, r"/lib(cudart|cuda)\.so", "CUDA runtime", "CUDA toolkit, library names"),
    Rule(LIBRARY, r"/libamdhip64\b", "HIP runtime", "ROCm/clr, library name"),
    Rule(LIBRARY, r"/torchinductor_", "Inductor", "torch/_inductor/codecache.py: its cache folder"),
    # --- copies and collectives
    Rule(NAME, r"^__amd_rocclr_|^Copy(Host|Device)To(Host|Device)", "HIP runtime", "ROCm/clr blit kernels; rocprof"),
    Rule(NAME, r"^(Memcpy|Memset) ", "CUDA runtime", "pytorch/kineto: memcpyName, memsetName of CUPTI activities"),
    Rule(NAME, r"^\[CUDA mem(cpy|set)", "CUDA runtime", "Nsight Systems, gpumemtimesum"),
    Rule(NAME, r"^ncclDevKernel_Generic_\d|^mscclKernel", "RCCL", "ROCm/rccl src/device/common.h"),
    Rule(NAME, r"^nccl\w*Kernel|^nccl:|^ncclSym", "NCCL", "NVIDIA/nccl src/device/generate.py; torch ProcessGroupNCCL"),
    Rule(NAME, r"^gloo:", "gloo", "torch ProcessGroupGloo.cpp"),
    Rule(NAME, r"nvshmem", "NVSHMEM", "NVIDIA/nvshmem, API prefix"),
    # --- attention before CUTLASS, on which it is built
    Rule(NAME, r"cudnn", "cuDNN", "cuDNN: cudnn_generated_fort_native_sdpa_sm90…, cudnn::…, scudnn"),
    Rule(NAME, r"^(void )?fmha_cutlass[FB]", "xFormers", "torch aten mem_eff_attention, from xFormers"),
    Rule(NAME, r"flash_(fwd|bwd)|\bflash_attn|FlashAttention|fmha_v2|^fmha", "FlashAttention", "flash-attention csrc"),
    Rule(NAME, r"\bflashinfer::", "FlashInfer", "flashinfer-ai/flashinfer, C++ namespace"),
    Rule(NAME, r"\btransformer_engine::", "Transformer Engine", "NVIDIA/TransformerEngine, C++ namespace"),
    Rule(NAME, r"\bvllm::", "vLLM", "vllm-project/vllm csrc, C++ namespace"),
    # --- compilers: their names are generated, so they are exact
    Rule(NAME, r"^triton_gemm_|^gemm_fusion", "XLA", "openxla/xla: Triton GEMM fusions"),
    Rule(NAME, r"^triton_", "Triton", "torch/_inductor/codegen/triton.py: triton_{poi,red,per,tem,for}_fused_…"),
    Rule(NAME, r"^(\w+:)?cpp_fused_|^Torch-Compiled", "Inductor", "torch/_inductor/codegen/cpp.py; dynamo"),
    Rule(NAME, r"^CompiledFunction(Backward)?$", "Inductor", "torch/_functorch/_aot_autograd: calls what it made"),
    Rule(NAME, r"nvfuser_|CudaCodeGen::kernel", "nvFuser", "NVIDIA/Fuser: nvfuser_pointwise_f0_c1_r0_g0"),
    Rule(NAME, r"^tvmgen_|^(default_)?fused_\w+_kernel\w*$", "TVM", "apache/tvm: tvmgen_default_fused_…, …_kernel0"),
    Rule(NAME, r"_dispatch_\d+", "IREE", "iree-org/iree: main_dispatch_0_matmul_…"),
    Rule(NAME, r"^libjit_", "Glow", "pytorch/glow lib/LLVMIRCodeGen/libjit"),
    Rule(NAME, r"^kernel_c\d+_sdk_", "PlaidML", "plaidml/plaidml: kernel_c42_sdk_144"),
    Rule(NAME, r"(?i)\btpu_custom_call|mosaic", "Pallas", "jax/_src/tpu_custom_call.py"),
    Rule(NAME, r"(^|_)fusion([._]\d+)*$|^wrapped_", "XLA", "openxla/xla fusion naming: loop_add_fusion, wrapped_tanh"),
    Rule(NAME, r"^%?[a-z]+(-[a-z]+)*\.\d+$", "XLA", "HLO instructions: dot.5, all-reduce.1, custom-call.2"),
    Rule(NAME, r"^__omp_offloading_", "LLVM OpenMP", "clang OpenMP offload entry points"),
    Rule(NAME, r"^cupy(x)?_", "CuPy", "cupy/_core/_kernel.pyx: cupy_multiply__float32_float_float32"),
    Rule(NAME, r"\bcudapy::|^_ZN6cudapy", "numba", "numba/cuda: functions lie in the namespace cudapy"),
    # --- hand-written libraries
    Rule(NAME, r"_xmma_(fprop|dgrad|wgrad)|convolve_sgemm|implicit_convolve|winograd", "cuDNN", "cuDNN convolutions"),
    Rule(NAME, r"^(void )?[dw]grad_(\w+_)?engine<", "cuDNN", "cuDNN convolutions on Volta: wgrad_alg0_engine"),
    Rule(NAME, r"^nvjet_|cublas|^(void )?gem(mSN_|mk1_|v2[NT]|vN)|splitKreduce", "cuBLAS", "cuBLAS 11–13 in nsys"),
    Rule(NAME, r"^(maxwell|volta|turing|ampere|hopper|sm\d+)_\w*gemm", "cuBLAS", "cuBLAS: ampere_sgemm_128x64_tn"),
    Rule(NAME, r"cutlass", "CUTLASS", "NVIDIA/cutlass: cutlass::Kernel2<cutlass_80_tensorop_…>"),
    Rule(NAME, r"Cijk_", "Tensile", "ROCm/Tensile, kernel naming"),
    Rule(NAME, r"(?i)miopen|igemm_(fwd|bwd|wrw)_|SubTensorOpWith", "MIOpen", "ROCm/MIOpen src/kernels (any case)"),
    Rule(NAME, r"\bck(_tile)?::", "Composable Kernel", "ROCm/composable_kernel, C++ namespace"),
    Rule(NAME, r"rocblas", "rocBLAS", "ROCm/rocBLAS: rocblas_gemvn_kernel"),
    Rule(NAME, r"mkldnn|onednn|dnnl|^gen9_conv", "oneDNN", "aten::mkldnn_convolution; oneDNN src/gpu"),
    Rule(NAME, r"^mkl_", "MKL", "oneMKL, symbol prefix"),
    Rule(NAME, r"\bfbgemm_gpu::|permute_pooled_embs|recat_copy_async", "FBGEMM", "pytorch/FBGEMM fbgemm_gpu/src"),
    Rule(NAME, r"\bcub::|\bthrust::", "CUB", "NVIDIA/cccl, C++ namespaces"),
    # --- frameworks
    Rule(NAME, r"\bat::|^aten::|^detach_?$", "ATen", "pytorch aten/src/ATen"),
    Rule(
        NAME, r"^(void )?(un|vec)\w*elementwise_kernel<|multi_tensor_apply_kernel<", "ATen", "aten/src/ATen/native/cuda"
    ),
    Rule(NAME, r"::softmax_warp_(for|back)ward<", "ATen", "aten/src/ATen/native/cuda/PersistentSoftmax.cuh"),
    Rule(NAME, r"^autograd::|^torch::|Backward\d+$|^Optimizer\.|^ProfilerStep#", "PyTorch", "torch/csrc/autograd"),
    Rule(NAME, r"^enumerate\(DataLoader\)|^c10d::|^record_param_comms|^TorchDynamo ", "PyTorch", "torch, ranges"),
    Rule(NAME, r"\btensorflow::", "TensorFlow", "tensorflow/core, C++ namespace"),
    # --- a library that does many things, and the op that launched it, say least
    Rule(LIBRARY, r"/libtorch_(cpu|cuda|hip)\b", "ATen", "PyTorch wheels, library names"),
    Rule(LIBRARY, r"/(libjax_common|xla_extension|libpjrt|xla_cuda_plugin)", "XLA", "jaxlib wheels, library names"),
    Rule(LIBRARY, r"/libtensorflow_(cc|framework)\b", "TensorFlow", "TensorFlow wheels, library names"),
    Rule(OP, r"^triton", "Triton", "torch.compile ranges"),
    Rule(OP, r"^nccl:", "NCCL", "torch ProcessGroupNCCL"),
)

_COMPILED = [(rule.where, re.compile(rule.pattern), rule.maker) for rule in RULES]
_LOOKED_AT = 512  # characters; templates can make a name many kilobytes long


@lru_cache(maxsize=8192)
def origin(name: str, library: str | None = None, op: str | None = None) -> str | None:
    """The maker ("cuBLAS", "Triton", "oneDNN" …) of a kernel or op, None where nothing tells."""
    texts = {NAME: name[:_LOOKED_AT], LIBRARY: (library or "")[-_LOOKED_AT:], OP: (op or "")[:_LOOKED_AT]}
    return next((maker for where, pattern, maker in _COMPILED if pattern.search(texts[where])), None)
