"""Import gadgets: functions that a pickle may name to run code, reach files, the network, or other pickles.

Tier ``core``: published in an advisory, an issue or in the wild, or plainly executing. Tier ``edge``: analogues.
"""

from __future__ import annotations

CORE = """
os.system - | posix.system - | nt.system - | subprocess.Popen - | subprocess.call - | subprocess.check_output - | subprocess.run -
builtins.eval - | builtins.exec - | builtins.compile - | builtins.__import__ h4rm | builtins.getattr - | builtins.open - | builtins.breakpoint -
__builtin__.eval - | __builtin__.execfile - | __builtin__.apply - | __builtin__.file - | commands.getoutput - | popen2.popen3 - | os.popen -
timeit.timeit v7x6 | cProfile.run 49gj | cProfile.runctx 9w88 | profile.run 7wx9 | profile.Profile.run x696 | profile.runctx 6vqj
trace.Trace.run 5qwp | trace.Trace.runctx g344 | doctest.debug_script fqq6 | code.InteractiveInterpreter.runcode cj3c
ensurepip._run_pip xp4f | pip.main CVE-2025-1716 | pip._internal.main CVE-2025-1716 | idlelib.autocomplete.AutoComplete.get_entity 6w4w
idlelib.autocomplete.AutoComplete.fetch_completions 7cq8 | idlelib.calltip.Calltip.fetch_tip 8r4j | idlelib.calltip.get_entity 9xph
idlelib.debugobj.ObjectTreeItem.SetText 3vg9 | idlelib.pyshell.ModifiedInterpreter.runcode 3gf5 | idlelib.pyshell.ModifiedInterpreter.runcommand j343
idlelib.run.Executive.runcode m869 | lib2to3.pgen2.grammar.Grammar.loads f54q | lib2to3.pgen2.pgen.ParserGenerator.make_label p9w7
torch.utils.bottleneck.__main__.run_cprofile 4r9r | torch.utils.bottleneck.__main__.run_autograd_prof 4whj
torch._dynamo.guards.GuardBuilder.get 86cj | torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression f4x7
torch.utils.collect_env.run f745 | torch.utils.collect_env.run_and_read_all jhph | torch.utils.data.datapipes.utils.decoder.basichandlers h3qp
torch.jit.unsupported_tensor_ops.execWrapper vr7h | torch.utils._config_module.ConfigModule.load_config vv6j | torch._inductor.codecache.compile_file -
numpy.f2py.crackfortran.getlincoef r8g5 | numpy.testing._private.utils.runstring - | distutils.file_util.write_file m273 | ctypes.CDLL 4675
pty.spawn vqmv | operator.methodcaller 84r2 | pydoc.locate 84r2 | pkgutil.resolve_name vvpj | uuid._get_command_stdout g38g
_osx_support._read_output g38g | _osx_support._find_build_tool g38g | _aix_support._read_cmd_output g38g | imaplib.IMAP4_stream g38g
_pyrepl.pager.pipe_pager g38g | test.support.script_helper.assert_python_ok g38g
asyncio.unix_events._UnixSubprocessTransport._start CVE-2025-10157 | cloudpickle.cloudpickle._make_function 9m3x | types.CodeType 9m3x
types.FunctionType 9m3x | logging.FileHandler m7j5 | _io.FileIO 9726 | urllib.request.urlopen 9726 | runpy.run_path wfq2 | runpy.run_module wfq2
marshal.loads 565g | pty.fork r7v6 | importlib.import_module q5qq | code.interact q5qq | multiprocessing.Process q5qq | smtplib.SMTP mxhj
socketserver.TCPServer mxhj | signal.signal mhc9 | sqlite3.connect mhc9 | fileinput.input mhc9 | tarfile.open mhc9 | shelve.open mhc9
py_compile.compile mhc9 | threading.Thread mhc9 | uuid._unix_getnode 5hwf | linecache.getlines r48f | difflib.HtmlDiff r48f | gc.get_objects r48f
platform.popen 5cxw | _posixsubprocess.fork_exec m6fh | site.execsitecustomize m6fh | atexit.register m6fh | test.support.run_unittest pc6j
_interpreters.run_string 6ggj | multiprocessing.util.spawnv_passfds modelscan-338 | mlflow.projects.backend.local._run_entry_point modelscan-338
pandas.io.parsers.readers.read_csv modelscan-338 | urllib.request.urlretrieve modelscan-338 | numpy.__builtins__ modelscan-330
distutils.spawn.spawn - | dill._dill._create_function - | dill.loads - | joblib.load - | torch.load - | torch.hub.load -
torch.storage._load_from_bytes - | numpy.load - | pickle.loads - | _pickle.loads - | pickle.Unpickler - | bdb.Bdb.run - | pdb.run -
webbrowser.open - | shutil.rmtree - | os.remove - | os.execv - | os.spawnv - | os.putenv - | socket.socket - | socket.create_connection -
http.client.HTTPConnection - | ftplib.FTP - | telnetlib.Telnet - | xmlrpc.client.ServerProxy - | ssl.wrap_socket - | asyncio.create_subprocess_shell -
concurrent.futures.ProcessPoolExecutor - | zipimport.zipimporter - | importlib.machinery.SourceFileLoader - | importlib.util.spec_from_file_location -
functools.partial - | functools.reduce - | itertools.starmap - | operator.attrgetter - | operator.itemgetter - | operator.call - | builtins.map -
builtins.filter - | builtins.setattr - | builtins.delattr - | builtins.globals - | builtins.vars - | builtins.input - | sys.setrecursionlimit -
copyreg.add_extension - | codecs.open - | io.open - | pathlib.Path.unlink - | tempfile.mkdtemp - | ctypes.util.find_library - | ctypes.memmove -
"""
EDGE = """
torch.jit.load - | torch.jit._serialization.load - | torch.utils.model_zoo.load_url - | torch.utils.cpp_extension.load_inline - | torch.save - | torch.compile -
torch._inductor.utils.run_and_get_code - | torch.package.PackageImporter - | torch.distributed.run.main - | torch.multiprocessing.spawn - | torch.ops.load_library -
torch.classes.load_library - | torch.fx._symbolic_trace.symbolic_trace - | torch.onnx.export - | torch._C._jit_set_profiling_mode - | torch.testing._internal.common_utils.run_tests -
numpy.fromfile - | numpy.memmap - | numpy.loadtxt - | numpy.savetxt - | numpy.vectorize - | numpy.frompyfunc - | numpy.apply_along_axis - | numpy.ctypeslib.load_library -
numpy.distutils.exec_command.exec_command - | numpy.lib.npyio.load - | numpy._core._multiarray_umath.fromfile - | numpy.core._ufunc_reconstruct -
scipy.io.loadmat - | scipy.datasets.face - | scipy.optimize.minimize - | scipy.LowLevelCallable - | sklearn.datasets.fetch_openml - | sklearn.utils._testing.raises -
sklearn.externals.joblib.load - | sklearn.utils.parallel.Parallel - | joblib.parallel.Parallel - | joblib.memory.Memory - | joblib.numpy_pickle.load -
pandas.read_pickle - | pandas.eval - | pandas.io.pickle.read_pickle - | yaml.load - | yaml.unsafe_load - | jinja2.Template - | sympy.sympify - | requests.get -
transformers.pipeline - | huggingface_hub.snapshot_download - | keras.models.load_model - | tensorflow.io.read_file - | IPython.get_ipython - | setuptools.sandbox.run_setup -
cffi.FFI - | numexpr.evaluate - | paramiko.SSHClient - | pexpect.spawn - | psutil.Process - | sh.Command - | invoke.run - | fabric.Connection -
gzip.open - | bz2.open - | lzma.open - | zipfile.ZipFile - | mmap.mmap - | curses.wrapper - | turtle.Screen - | tkinter.Tk - | crypt.crypt - | cgitb.enable -
unittest.main - | venv.create - | zipapp.create_archive - | compileall.compile_dir - | modulefinder.ModuleFinder - | ast.literal_eval - | inspect.getsource - | dis.dis -
"""
ARGUMENTS = ("echo owned", "__import__('os').system('echo owned')")


def _rows(block: str) -> list[tuple[str, str]]:
    out = []
    for entry in block.replace("\n", "|").split("|"):
        if entry.strip():
            full, source = entry.split()
            out.append((full, "" if source == "-" else source if "-" in source else f"GHSA ...{source}"))
    return out


def gadgets() -> list[tuple[str, str, str, str]]:
    """Module, name within it, tier, source: classes' methods stand as dotted names."""
    rows = [(full, "core", source) for full, source in _rows(CORE)] + [(f, "edge", s) for f, s in _rows(EDGE)]
    out = []
    for full, tier, source in rows:
        parts = full.split(".")
        at = next((i for i, part in enumerate(parts[1:], 1) if part[:1].isupper()), len(parts) - 1)
        out.append((".".join(parts[:at]), ".".join(parts[at:]), tier, source))
    return out
